"""What a client asks for in the URL of its stream.

Parameters and defaults are those of the CAIMAN-ASR documentation ("WebSocket API for Streaming
Transcription"). A stream without `content_type` is taken as raw audio in the model's own format; a
`content_type` that is given must be complete. The `;` inside it comes raw or as %3B: both are read.
"""

import re
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

from gharial_wire.formats.content_type import (
    EXAMPLE,
    MAX_CHANNELS,
    MODEL_FORMAT,
    AudioFormat,
    parse_content_type,
    shown,
    whole_number,
)

STREAM_PATH = "/asr/v0.1/stream"
SUBPROTOCOL = "stream.asr.api.myrtle.ai"
LATEST = "latest"
MAX_ALTERNATIVES = 100
MIN_PAUSE, MAX_PAUSE = 0.3, 10.0

CONTENT_TYPE = EXAMPLE

# `api_key` may also belong to a gateway in front of the server, which leaves it in the URL.
_PARAMETERS = (
    "content_type",
    "model",
    "version",
    "lang",
    "alternatives",
    "keywords",
    "channel",
    "words",
    "pauses",
    "flush",
    "api_key",
)
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}")


class RequestError(ValueError):
    """The request is refused before the upgrade; `status` is the HTTP status (400 or 404)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class StreamRequest:
    """A request that is well formed. None stands for a parameter that was left out. keywords: phrases with boosts.

    words: whether answers tell each word with times. pauses: seconds without a word that an answer is to tell of.
    flush: whether the client may ask for what is pending to be made final.
    """

    model: str | None = None
    version: str = LATEST
    language: str | None = None
    alternatives: int = 1
    keywords: tuple[tuple[str, float], ...] = ()
    api_key: str | None = field(default=None, repr=False)
    audio: AudioFormat = MODEL_FORMAT
    words: bool = False
    pauses: float | None = None
    flush: bool = False


def parse_target(target: str) -> StreamRequest:
    """Reads the request target (path and query) of a WebSocket handshake.

    Raises RequestError, whose message names the parameter and the values it may have.
    """
    path, _, query = target.partition("?")
    if path != STREAM_PATH:
        raise RequestError(404, f"no stream at {shown(path)}; the stream is at {STREAM_PATH}")
    given = _parse_query(query)
    return StreamRequest(
        model=_matching("model", given.get("model"), _IDENTIFIER, "a model's name such as general"),
        version=_matching("version", given.get("version"), _IDENTIFIER, "latest or a version such as v1") or LATEST,
        language=parse_language(given.get("lang")),
        alternatives=_alternatives(given.get("alternatives", "1")),
        keywords=parse_keywords(given.get("keywords", "")),
        api_key=given.get("api_key"),
        words=_boolean("words", given.get("words", "false")),
        flush=_boolean("flush", given.get("flush", "false")),
        pauses=_pauses(given.get("pauses")),
        audio=_audio(given.get("content_type"), given.get("channel")),
    )


def _parse_query(query: str) -> dict[str, str]:
    try:
        # `;` is no separator here, so a raw one stays inside its value.
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", separator="&", max_num_fields=32)
    except ValueError as error:  # not UTF-8, or too many fields
        raise RequestError(400, "the query is no percent-encoded UTF-8 of at most 32 parameters") from error
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in _PARAMETERS:
            raise RequestError(400, f"unknown parameter {shown(name)}; known are {', '.join(_PARAMETERS)}")
        if name in given:
            raise RequestError(400, f"parameter {name} is given twice; give it once")
        given[name] = value
    return given


def _audio(content_type: str | None, channel: str | None) -> AudioFormat:
    try:
        audio = MODEL_FORMAT if content_type is None else parse_content_type(content_type)
        if channel is None:
            return audio
        # A compressed stream says its number of channels later.
        chosen = whole_number("channel", channel, 1, audio.channels or MAX_CHANNELS)
        return audio if audio.channels == 1 else replace(audio, channel=chosen)
    except ValueError as error:
        raise RequestError(400, str(error)) from error


def _matching(name: str, value: str | None, pattern: re.Pattern[str], expected: str) -> str | None:
    if value is None:
        return None
    if not pattern.fullmatch(value):
        raise RequestError(400, f"{name} is {shown(value)}; give {expected}")
    return value


def _alternatives(value: str) -> int:
    try:
        return whole_number("alternatives", value, 1, MAX_ALTERNATIVES)
    except ValueError as error:
        raise RequestError(400, str(error)) from error


def parse_language(value: str | None, name: str = "lang") -> str | None:
    """A BCP 47 tag, or None when it was left out. Raises RequestError; name: the parameter's."""
    return _matching(name, value, _LANGUAGE, "a BCP 47 language tag such as en")


def _boolean(name: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise RequestError(400, f"{name} is {shown(value)}; give true or false")
    return value == "true"


def _pauses(value: str | None) -> float | None:
    if value is None:
        return None
    # A pattern, since float takes inf, nan and other scripts' digits as well.
    seconds = float(value) if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", value, re.ASCII) else -1.0
    if not MIN_PAUSE <= seconds <= MAX_PAUSE:
        raise RequestError(400, f"pauses is {shown(value)}; give seconds from {MIN_PAUSE} to {MAX_PAUSE}, as in 0.6")
    return seconds


def parse_keywords(text: str) -> tuple[tuple[str, float], ...]:
    """`phrase:boost,phrase:boost`, each phrase once."""
    keywords = tuple(map(_keyword, filter(None, text.split(","))))
    phrases = [phrase for phrase, _ in keywords]
    if len(set(phrases)) < len(phrases):
        twice = next(phrase for phrase in phrases if phrases.count(phrase) > 1)
        raise RequestError(400, f"keywords has {shown(twice)} twice; give each phrase once")
    return keywords


def _keyword(text: str) -> tuple[str, float]:
    """`phrase:boost`; a phrase alone has boost 1."""
    phrase, colon, boost = text.partition(":")
    try:
        return phrase, float(boost) if colon else 1.0
    except ValueError as error:
        raise RequestError(
            400, f"keywords has {shown(text)}; give phrase:boost,phrase:boost, as in gharial:1.5"
        ) from error
