"""A stream in parts: a client that may flush gets one engine stream after the other on one connection.

A flush ends the engine's stream, so that everything that was said becomes final at once, whatever the backend; the next
one takes its place, with times that go on.
"""

import math
from dataclasses import replace

from gharial_wire.audio import SAMPLE_BYTES, SAMPLE_RATE
from gharial_wire.request import StreamRequest
from gharial_wire.stream import FLUSHED

from gharial_server.engine.interface import (
    Alternative,
    EngineFullError,
    EngineStoppedError,
    Event,
    Failed,
    Samples,
    Stream,
)
from gharial_server.service import OpenStream, Service


class Parts:
    """Implements the engine's Stream over several of them; its events go through `follow`."""

    def __init__(self, service: Service, request: StreamRequest, first: Stream, session: OpenStream) -> None:
        self._service = service
        self._request = request
        self._session = session
        self._part = first
        self._base_samples = self._samples = 0
        # What came during a flush; None stands for a further one.
        self._held: list[Samples | None] = []
        self._is_flushing = self._has_finished = False

    @property
    def id(self) -> int:
        return self._part.id

    @property
    def backlog_seconds(self) -> float:
        if any(samples is None for samples in self._held):  # a flush waits for a flush: nothing more is read meanwhile
            return math.inf
        held = sum(_count(samples) for samples in self._held if samples is not None)
        return self._part.backlog_seconds + held / SAMPLE_RATE

    def push(self, samples: Samples) -> None:
        if self._is_flushing:
            self._held.append(samples)
        else:
            self._samples += _count(samples)
            self._part.push(samples)

    def finish(self) -> None:
        self._has_finished = True
        if not self._is_flushing:
            self._part.finish()

    def close(self) -> None:
        self._part.close()

    def flush(self) -> None:
        """Makes final what has been said; what follows waits for that."""
        if self._is_flushing:
            self._held.append(None)
        else:
            self._is_flushing = True
            self._part.finish()

    def follow(self, event: Event) -> tuple[Event, str | None]:
        """The event with times since the connection began, and its endpoint; opens the next part behind a flush."""
        if isinstance(event, Failed):
            return event, None
        base = self._base_samples / SAMPLE_RATE
        alternatives = tuple(_later(alternative, base) for alternative in event.alternatives)
        told = event._replace(start=event.start + base, end=event.end + base, alternatives=alternatives)
        if not (event.closing and self._is_flushing and event.endpoint is None):
            return told, event.endpoint
        # The last frame was padded; the next part begins where the audio ended.
        end = (self._base_samples + self._samples) / SAMPLE_RATE
        answer = told._replace(start=min(told.start, end), end=end, closing=False)
        try:
            self._open_next()
        except (EngineFullError, EngineStoppedError) as error:
            return Failed(str(error)), None
        return answer, FLUSHED

    def _open_next(self) -> None:
        self._service.release(self)
        self._part = self._service.open_next(self._request)
        self._service.attach(self._part, self._session)
        self._base_samples, self._samples = self._base_samples + self._samples, 0
        self._is_flushing = False
        held, self._held = self._held, []
        for samples in held:
            if samples is None:
                self.flush()
            else:
                self.push(samples)
        if self._has_finished and not self._is_flushing:
            self._part.finish()


def _count(samples: Samples) -> int:
    return len(samples) // SAMPLE_BYTES if isinstance(samples, bytes) else len(samples)


def _later(alternative: Alternative, seconds: float) -> Alternative:
    words = (replace(word, start=word.start + seconds, end=word.end + seconds) for word in alternative.words)
    return alternative._replace(words=tuple(words))
