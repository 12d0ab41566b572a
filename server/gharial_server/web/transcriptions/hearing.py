"""A recording on its way through the engine, as a stream that gives way to live ones.

It takes a slot like every stream, and is pushed on only while little of it waits in the engine: a busy engine serves
every stream that has a frame once in each step, so this one slows down exactly as far as live ones need the machine.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace

import numpy as np
from gharial_wire.answers import Word
from gharial_wire.audio import SAMPLE_BYTES, SAMPLE_RATE
from gharial_wire.closing import Close
from gharial_wire.request import StreamRequest

from gharial_server.admission import Load, Phase, Refusal, refuse
from gharial_server.engine.interface import Answer, EngineFullError, EngineStoppedError, Event, Stream
from gharial_server.service import Service
from gharial_server.web.transcriptions.errors import ApiError

# Audio that waits in the engine at most, beside the chunk that is pushed.
BACKLOG_SECONDS = 0.48


@dataclass(frozen=True)
class Final:
    """Text that stands, with the words that ended in it."""

    text: str
    words: tuple[Word, ...]


class Hearing:
    """One recording; implements the service's OpenStream. Leave it by `close`."""

    def __init__(self, service: Service, request: StreamRequest) -> None:
        """Takes a slot. Raises ApiError when none is free for it."""
        self._service = service
        self._request = request
        self._changed = asyncio.Event()
        self._failure: ApiError | None = None
        self._finals: list[Final] = []
        # Audio pushed and not yet answered, in case the server's endpointing ends the stream in the middle.
        self._unanswered = bytearray()
        self._heard_samples = 0
        self._base_seconds = 0.0
        self._has_ended = False
        self._stream = self._open()

    async def finals(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[Final]:
        """Everything that is said in S16LE samples, as soon as it stands. Raises ApiError."""
        feeding = asyncio.ensure_future(self._feed(chunks))
        feeding.add_done_callback(lambda _: self._changed.set())
        try:
            while True:
                if self._finals:
                    yield self._finals.pop(0)
                elif feeding.done():
                    break
                else:
                    await self._change()
            await feeding
        finally:
            feeding.cancel()
            await asyncio.wait([feeding])

    def close(self) -> None:
        """Gives the slot back."""
        self._service.release(self._stream)
        self._service.forget(self)

    def take(self, event: Event) -> None:
        """Takes one event of the engine."""
        if not isinstance(event, Answer):
            self._fail(ApiError(500, "recogniser_failed", f"the recogniser failed: {event.reason}"))
            return
        best = event.alternatives[0]
        if not event.is_provisional and (best.transcript or best.words):
            shift = self._base_seconds
            words = (replace(word, start=word.start + shift, end=word.end + shift) for word in best.words)
            self._finals.append(Final(best.transcript, tuple(words)))
        heard = round(event.end * SAMPLE_RATE)
        if heard > self._heard_samples:  # a final of beam search may be about earlier frames
            del self._unanswered[: (heard - self._heard_samples) * SAMPLE_BYTES]
            self._heard_samples = heard
        self._has_ended = event.closing
        self._changed.set()

    def check(self, now: float) -> None:
        """A recording has no client that could fall silent."""

    def end(self, close: Close) -> None:
        """Ends the transcription, as a stream would be closed."""
        retry_after = self._service.settings.retry_after
        self._fail(ApiError(503, "unavailable", f"{close.reason or 'the server stops'}", retry_after=retry_after))

    def _fail(self, failure: ApiError) -> None:
        self._failure = self._failure or failure
        self._changed.set()

    def _open(self) -> Stream:
        settings, load = self._service.settings, self._service.load
        if load.capacity - load.active <= settings.ready_headroom and self._service.phase is Phase.SERVING:
            # The streams that are kept free are kept free for live ones.
            full = Load(load.capacity, load.capacity)
            verdict = refuse(Phase.SERVING, full, settings.retry_after)
            assert verdict is not None
            raise ApiError.of(verdict)
        stream = self._service.admit(self._request)
        if isinstance(stream, Refusal):
            raise ApiError.of(stream)
        self._service.attach(stream, self)
        return stream

    async def _feed(self, chunks: AsyncIterator[bytes]) -> None:
        async for chunk in chunks:
            while self._has_ended or self._stream.backlog_seconds > BACKLOG_SECONDS:
                if self._has_ended:
                    self._open_again()
                else:
                    await self._change()
            self._push(chunk)
        while True:
            self._stream.finish()
            while not self._has_ended:
                await self._change()
            if not self._unanswered:
                return
            self._open_again()

    def _push(self, samples: bytes) -> None:
        self._unanswered += samples
        self._stream.push(np.frombuffer(samples, dtype="<i2"))

    def _open_again(self) -> None:
        """Goes on in a new stream with what the last one has not heard. Raises ApiError."""
        service = self._service
        service.release(self._stream)
        self._base_seconds += self._heard_samples / SAMPLE_RATE
        try:
            self._stream = service.open_next(self._request)
        except (EngineFullError, EngineStoppedError) as error:
            raise ApiError(503, "unavailable", str(error), retry_after=service.settings.retry_after) from error
        service.attach(self._stream, self)
        self._has_ended, self._heard_samples = False, 0
        left = bytes(self._unanswered)
        self._unanswered.clear()
        self._push(left)

    async def _change(self) -> None:
        """Waits for the next event. Raises the failure, if that is what it was."""
        if self._failure is None:
            self._changed.clear()
            await self._changed.wait()
        if self._failure is not None:
            raise self._failure
