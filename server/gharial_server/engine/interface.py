"""What the rest of the server knows of the engine.

Only plain data crosses this seam (numbers, strings, numpy arrays). The engine lives in a process of its own, where it
runs on a thread (`engine.batching`); the front end has the same interface to it at the other end of a link
(`link.remote`).

Threads: in the front end, everything is called on the event loop, sinks too. In the engine's process, `Engine.open` and
every method of a `Stream` may be called from any thread, and never wait for arithmetic; the methods of one stream from
one thread at a time; a `Sink` is called on the engine's thread. In both, a sink gets every event of a step for the
streams it was given to in one call; it must return at once and must not raise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from gharial_asr.endpointing import Endpoint
from gharial_asr.keywords import Keywords, check_characters
from gharial_wire.answers import Word
from numpy.typing import NDArray

SAMPLE_RATE = 16000
"""Samples per second of every stream."""

Samples = NDArray[np.float32] | NDArray[np.int16] | bytes
"""Shape (n,): int16, float32 in [-1, 1], or the bytes of int16, little-endian."""


class EngineFullError(RuntimeError):
    """Every slot is taken: refuse the stream (HTTP 503 with Retry-After) before it begins."""


class EngineStoppedError(RuntimeError):
    """The engine has stopped or its card is gone; no stream can be opened or fed."""


class Alternative(NamedTuple):
    """One reading of an interval. The transcript keeps its leading space; confidence lies in [0, 1].

    words: those that ended in this interval. They may have begun in an earlier one; a word ends when the next begins,
    or with the stream.
    """

    transcript: str
    confidence: float
    words: tuple[Word, ...] = ()


class Answer(NamedTuple):
    """What one 60 ms frame of audio yielded.

    start, end: the interval in seconds since the stream began. alternatives: never empty, best first; greedy decoding
    gives one, with an empty transcript where nothing was said. Finals concatenate to the whole transcript. The answer
    with `closing` is the stream's last: it follows `Stream.finish`, or an endpoint, and frees the slot.
    """

    start: float
    end: float
    is_provisional: bool
    alternatives: tuple[Alternative, ...]
    closing: bool = False
    endpoint: Endpoint | None = None


@dataclass(frozen=True)
class Failed:
    """The stream cannot go on (the card died, the arithmetic failed); nothing follows. Its slot is free."""

    reason: str


Event = Answer | Failed
Sink = Callable[[Sequence[tuple[int, Event]]], None]


@dataclass(frozen=True)
class Step:
    """One batch, for the metrics: rows in it, seconds it took, and for each row the seconds from the frame's last
    sample (or the end of the stream) coming in to its answer going out."""

    rows: int
    seconds: float
    latencies: tuple[float, ...]
    audio_seconds: float


Observer = Callable[[Step], None]


@dataclass(frozen=True)
class ModelInfo:
    """What is being served. digest: sha256 of the artefact or checkpoint file, in hex."""

    name: str
    version: str
    language: str
    digest: str
    backend: str


@dataclass(frozen=True)
class KeywordRules:
    """Which keywords a model takes. characters: those that it can write, None for any."""

    characters: str | None = None

    def check(self, keywords: Keywords) -> None:
        """Raises ValueError for keywords that the model cannot write."""
        if self.characters is not None:
            check_characters(keywords, self.characters)


class Stream(Protocol):
    """One live stream. `id` is unique in the engine's life and names the stream in the sink's events."""

    @property
    def id(self) -> int: ...

    @property
    def backlog_seconds(self) -> float:
        """Audio pushed and not yet decoded. Who reads from a socket stops reading while this is large."""

    def push(self, samples: Samples) -> None:
        """Appends 16 kHz mono samples in chunks of any length; what must last is copied.

        Pushing to a stream that is finished, closed or failed does nothing.
        """

    def finish(self) -> None:
        """The audio has ended: the rest is padded with silence and decoded, and a closing answer follows."""

    def close(self) -> None:
        """Drops the stream at once (the client went away). No further event comes after the step under way."""


class Engine(Protocol):
    """Batches live streams. Made by `gharial_server.engine.build.build_engine`; runs until `stop`."""

    @property
    def capacity(self) -> int:
        """Streams at once."""

    @property
    def active(self) -> int:
        """Streams open now."""

    @property
    def alive(self) -> bool:
        """False once the engine has stopped or failed: the pod is no longer healthy."""

    @property
    def frame_seconds(self) -> float: ...

    @property
    def model(self) -> ModelInfo: ...

    @property
    def keyword_rules(self) -> KeywordRules: ...

    @property
    def process_id(self) -> int:
        """Of the process in which it computes."""

    def open(self, sink: Sink, keywords: Keywords = (), alternatives: int = 1) -> Stream:
        """Takes a slot. alternatives: the most readings that a partial is to have. Raises EngineFullError or
        EngineStoppedError."""

    def stop(self) -> None:
        """Fails the streams still open, frees card and memory; waits for the engine's thread."""
