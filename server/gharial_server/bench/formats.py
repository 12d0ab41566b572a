"""What each audio format of a stream costs, and how long its decoder holds audio back."""

import time
from dataclasses import dataclass

import numpy as np
from gharial_wire.audio import SAMPLE_BYTES, SAMPLE_RATE
from gharial_wire.formats.content_type import parse_content_type
from gharial_wire.formats.decoders import feed_of
from gharial_wire.request import StreamRequest
from gharial_wire.stream import ServerStream
from numpy.typing import NDArray

from gharial_server.bench.encoding import encode

MESSAGE_SECONDS = 0.06


@dataclass(frozen=True)
class FormatCost:
    """One format: processor milliseconds per second of audio on the way from messages of 60 ms to samples, and how
    much of the audio that was sent is not decoded yet, at most, in milliseconds. What a compressed stream holds back is
    its encoder's choice of packets: None."""

    content_type: str
    cpu_ms_per_audio_second: float
    held_ms: float | None
    bytes_per_second: int


def measure_formats(seconds: float) -> list[FormatCost]:
    """Measures every format on so many seconds of noise that comes and goes like syllables."""
    return [_measure(content_type, data, seconds) for content_type, data in _streams(seconds).items()]


def _streams(seconds: float) -> dict[str, bytes]:
    x16, x8, x48 = (_syllables(seconds, rate) for rate in (16000, 8000, 48000))
    pcm = {rate: (x * 32767).astype("<i2").tobytes() for rate, x in ((16000, x16), (8000, x8), (48000, x48))}
    both = np.stack([x48, x48 / 2], axis=1)
    return {
        "audio/x-raw;format=S16LE;channels=1;rate=16000": pcm[16000],
        "audio/x-raw;format=F32LE;channels=1;rate=16000": x16.tobytes(),
        "audio/x-raw;format=S16LE;channels=1;rate=8000": pcm[8000],
        "audio/x-mulaw;channels=1;rate=8000": encode(x8[None], 8000, "mulaw", "pcm_mulaw"),
        "audio/x-raw;format=S16LE;channels=1;rate=48000": pcm[48000],
        "audio/x-raw;format=F32LE;channels=2;rate=48000": both.astype("<f4").tobytes(),
        "audio/ogg;codecs=opus": encode(x48[None], 48000, "ogg", "libopus"),
        "audio/webm;codecs=opus": encode(x48[None], 48000, "webm", "libopus"),
        "audio/flac": encode(x16[None], 16000, "flac", "flac"),
    }


def _syllables(seconds: float, rate: int) -> NDArray[np.float32]:
    t = np.arange(int(seconds * rate)) / rate
    noise: NDArray[np.float64] = np.random.default_rng(7).standard_normal(len(t)) * 0.1
    envelope: NDArray[np.float64] = np.clip(np.sin(2 * np.pi * 4 * t), 0, 1)
    return np.asarray(noise * envelope, np.float32)


def _measure(content_type: str, data: bytes, seconds: float) -> FormatCost:
    """Bytes of a compressed stream come evenly, as its mean rate has it."""
    audio = parse_content_type(content_type)
    messages = int(seconds / MESSAGE_SECONDS)
    borders = [round(len(data) * n / messages) for n in range(messages + 1)]
    stream = ServerStream(StreamRequest(audio=audio), feed_of(audio))
    held, made, spent = [], 0, 0.0
    for n in range(messages):
        message = data[borders[n] : borders[n + 1]]
        before = time.process_time()
        parts = [stream.receive_binary(message)] if message else []
        while stream.has_more:
            parts.append(stream.more())
        spent += time.process_time() - before
        made += sum(len(part) for part in parts if isinstance(part, bytes)) // SAMPLE_BYTES
        held.append((n + 1) * MESSAGE_SECONDS - made / SAMPLE_RATE)
    return FormatCost(
        content_type,
        round(spent / seconds * 1000, 3),
        round(1000 * max(held), 1) if audio.rate else None,
        round(len(data) / seconds),
    )
