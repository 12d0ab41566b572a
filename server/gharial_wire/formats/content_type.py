"""`content_type` in a stream's URL: what kinds of audio there are and how they are written.

Raw audio is written as in the CAIMAN-ASR documentation, which follows GStreamer's caps
(`audio/x-raw;format=S16LE;channels=1;rate=16000`); so mu-law and A-law have GStreamer's media types as well. Compressed
audio has the MIME types that browsers use. Parameters come in any order and case.
"""

import enum
from dataclasses import dataclass

MIN_RATE, MAX_RATE = 8000, 48000
MAX_CHANNELS = 8
# How much of a client's own words an error repeats: logs and answers stay short.
_ECHO = 40


class Coding(enum.Enum):
    """How samples are written."""

    S16LE = "S16LE"
    F32LE = "F32LE"
    MULAW = "MULAW"
    ALAW = "ALAW"
    OGG_OPUS = "audio/ogg;codecs=opus"
    WEBM_OPUS = "audio/webm;codecs=opus"
    FLAC = "audio/flac"


@dataclass(frozen=True)
class AudioFormat:
    """The audio that a client sends. Compressed streams say rate and channels themselves: both are 0 then.

    channel: the one to listen to, counted from 1; None mixes all of them.
    """

    coding: Coding = Coding.S16LE
    rate: int = 16000
    channels: int = 1
    channel: int | None = None


MODEL_FORMAT = AudioFormat()
"""What the model takes: such audio is passed on as it is."""

EXAMPLE = "audio/x-raw;format=S16LE;channels=1;rate=16000"
_RAW_FORMATS = {coding.value: coding for coding in (Coding.S16LE, Coding.F32LE, Coding.MULAW, Coding.ALAW)}
_LAWS = {"audio/x-mulaw": Coding.MULAW, "audio/x-alaw": Coding.ALAW}
_OPUS = {"audio/ogg": Coding.OGG_OPUS, "audio/webm": Coding.WEBM_OPUS}
_FLAC = ("audio/flac", "audio/x-flac")
SUPPORTED = f"{EXAMPLE}, audio/x-mulaw, audio/x-alaw, audio/ogg;codecs=opus, audio/webm;codecs=opus, audio/flac"


def parse_content_type(value: str) -> AudioFormat:
    """Reads one `content_type`. Raises ValueError, whose message says what is supported."""
    media, *parts = (part.strip() for part in value.split(";"))
    media = media.lower()
    if media == "audio/x-raw":
        given = _parameters(parts, ("format", "channels", "rate"), EXAMPLE)
        coding = _RAW_FORMATS.get(given["format"].upper())
        if coding is None:
            raise ValueError(f"content_type has format={shown(given['format'])}; give {_one_of(_RAW_FORMATS)}")
        return _raw(coding, given)
    if media in _LAWS:
        return _raw(_LAWS[media], _parameters(parts, ("channels", "rate"), f"{media};channels=1;rate=8000"))
    if media in _OPUS:
        codecs = _parameters(parts, ("codecs",), f"{media};codecs=opus")["codecs"].strip('"')
        if codecs.lower() != "opus":
            raise ValueError(f"content_type has codecs={shown(codecs)}; supported is codecs=opus")
        return AudioFormat(_OPUS[media], 0, 0)
    if media in _FLAC:
        _parameters(parts, (), _FLAC[0])
        return AudioFormat(Coding.FLAC, 0, 0)
    raise ValueError(f"content_type is {shown(media)}; supported are {SUPPORTED}")


def _raw(coding: Coding, given: dict[str, str]) -> AudioFormat:
    return AudioFormat(
        coding,
        whole_number("content_type's rate", given["rate"], MIN_RATE, MAX_RATE),
        whole_number("content_type's channels", given["channels"], 1, MAX_CHANNELS),
    )


def _parameters(parts: list[str], names: tuple[str, ...], example: str) -> dict[str, str]:
    """The parts after the media type: exactly those that are named, each once."""
    given: dict[str, str] = {}
    for part in parts:
        name, _, text = part.partition("=")
        name = name.strip().lower()
        if name not in names:
            raise ValueError(f"content_type has unknown parameter {shown(name)}; write it as in {example}")
        if name in given:
            raise ValueError(f"content_type has {name} twice; give it once")
        given[name] = text.strip()
    for name in names:
        if name not in given:
            raise ValueError(f"content_type lacks {name}; write it as in {example}")
    return given


def whole_number(name: str, text: str, least: int, most: int) -> int:
    """A number between two others. Raises ValueError."""
    # isascii: str.isdigit alone would let other scripts' digits through.
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and least <= int(text) <= most):
        raise ValueError(f"{name} is {shown(text)}; give a whole number from {least} to {most}")
    return int(text)


def shown(text: str) -> str:
    """A client's words, safe to repeat in a header or a log line."""
    shortened = ascii(text[: _ECHO + 1])
    return shortened if len(shortened) <= _ECHO + 2 else f"{shortened[:_ECHO]}…'"


def _one_of(names: dict[str, Coding]) -> str:
    return " or ".join(names)
