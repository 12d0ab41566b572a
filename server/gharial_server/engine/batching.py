"""The engine in a thread: every frame that is ready goes into one batch, at once.

There is no tick. When nothing is going on the first frame that comes makes a batch of one; while a batch is computed
others gather, and make the next. So batches are small when it is quiet (latency) and large when it is busy
(throughput), by themselves.
"""

import itertools
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from gharial_asr.emissions import Row
from gharial_asr.endpointing import CLASSIC, EndpointSettings, eos_token
from gharial_asr.keywords import Keywords
from gharial_asr.runner import Batch, Runner
from gharial_wire.card_protocol import CardError

from gharial_server.engine.frames import Frame, FrameBuffer
from gharial_server.engine.interface import (
    SAMPLE_RATE,
    EngineStoppedError,
    Event,
    Failed,
    KeywordRules,
    ModelInfo,
    Observer,
    Samples,
    Sink,
    Step,
)
from gharial_server.engine.slots import Slot, SlotTable
from gharial_server.engine.transcript import Transcript

log = logging.getLogger(__name__)

# How long a step may be put off for the keywords of a stream that begins.
_PREPARING_SECONDS = 0.002


class LiveStream:
    """One stream; implements `interface.Stream`. What it holds is guarded by the engine's lock."""

    def __init__(self, engine: "BatchingEngine", number: int, slot: Slot, sink: Sink, alternatives: int) -> None:
        self.id = number
        self.slot = slot
        self.sink = sink
        self.frames = FrameBuffer(engine.frame_samples)
        self.transcript = Transcript(engine.pieces, engine.frame_seconds, engine.endpointing, alternatives)
        self.finished_at: float | None = None
        self.ended = False
        # Whether the runner knows it. Before that audio waits.
        self.opened = False
        self._engine = engine

    @property
    def backlog_seconds(self) -> float:
        return self.frames.waiting_samples / SAMPLE_RATE

    def push(self, samples: Samples) -> None:
        self._engine.push(self, samples)

    def finish(self) -> None:
        self._engine.finish(self)

    def close(self) -> None:
        self._engine.close(self)


@dataclass(frozen=True)
class _Row:
    """A stream's part in a step: a frame, or none when only the closing answer is due."""

    stream: LiveStream
    frame: Frame | None
    arrived: float
    closing: bool


class BatchingEngine:
    """Implements `interface.Engine` on a runner, with a thread of its own."""

    def __init__(
        self,
        runner: Runner,
        pieces: Sequence[str],
        model: ModelInfo,
        observer: Observer | None = None,
        endpointing: EndpointSettings = CLASSIC,
    ) -> None:
        """pieces: the text of each token. Raises ValueError when endpointing needs a token that is not among them."""
        eos_token(pieces, endpointing)
        self.endpointing = endpointing
        self.pieces = pieces
        self.model = model
        self.capacity = runner.slots
        self.frame_samples = runner.step_samples
        self.frame_seconds = runner.step_samples / SAMPLE_RATE
        self.process_id = os.getpid()
        self._runner = runner
        self._observer = observer
        self._table = SlotTable(runner.slots)
        self._numbers = itertools.count(1)
        self._wake = threading.Condition()
        self._streams: dict[int, LiveStream] = {}
        self._waiting: dict[int, LiveStream] = {}
        self._errands: list[Callable[[], None]] = []
        self._preparing: deque[tuple[LiveStream, Keywords, Iterator[None]]] = deque()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    @property
    def active(self) -> int:
        return len(self._streams)

    @property
    def alive(self) -> bool:
        return not self._stopping

    @property
    def keyword_rules(self) -> KeywordRules:
        characters = {character for piece in self.pieces for character in piece}
        return KeywordRules("".join(sorted(characters)))

    def open(self, sink: Sink, keywords: Keywords = (), alternatives: int = 1) -> LiveStream:
        with self._wake:
            if self._stopping:
                raise EngineStoppedError("the engine has stopped; the server must be restarted")
            slot = self._table.take()
            stream = LiveStream(self, next(self._numbers), slot, sink, alternatives)
            self._streams[stream.id] = stream
            if keywords:
                self._preparing.append((stream, keywords, self._runner.preparing(keywords)))
            else:
                self._errands.append(lambda: self._open_slot(stream, keywords))
            self._wake.notify()
            return stream

    def push(self, stream: LiveStream, samples: Samples) -> None:
        """See `interface.Stream.push`."""
        now = time.monotonic()
        if isinstance(samples, bytes):
            samples = np.frombuffer(samples, "<i2")
        with self._wake:
            if stream.ended or stream.finished_at is not None:
                return
            stream.frames.push(samples, now)
            if stream.frames.ready:
                self._has_work(stream)

    def finish(self, stream: LiveStream) -> None:
        """See `interface.Stream.finish`."""
        now = time.monotonic()
        with self._wake:
            if stream.ended or stream.finished_at is not None:
                return
            stream.finished_at = now
            stream.frames.finish(now)
            self._has_work(stream)

    def close(self, stream: LiveStream) -> None:
        """See `interface.Stream.close`."""
        with self._wake:
            self._end(stream)

    def stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()
        self._fail_all("the engine was stopped")

    def _run(self) -> None:
        try:
            while (rows := self._collect()) is not None:
                began = time.monotonic()
                self._emit(rows, self._compute(rows))
                self._observe(rows, began)
        except Exception as error:  # whatever the arithmetic or the card raised, no stream may wait for ever
            log.exception("the engine has failed")
            self._fail_all(f"the recogniser has failed: {error}")
        finally:
            self._runner.close()

    def _collect(self) -> list[_Row] | None:
        """Waits for work; one row for every stream that has any. None when the engine is to stop."""
        with self._wake:
            self._wake.wait_for(lambda: self._waiting or self._errands or self._preparing or self._stopping)
            if self._stopping:
                return None
            errands, self._errands = self._errands, []
            waiting, self._waiting = self._waiting, {}
            rows = [self._row(stream) for stream in waiting.values()]
        for errand in errands:
            errand()
        if self._preparing:
            self._prepare()
        return [row for row in rows if not row.stream.ended]

    def _prepare(self) -> None:
        """Works a little on the keywords of the stream that waits longest for them: hundreds of phrases take a tenth of
        a second, for which the other streams must not wait."""
        stream, keywords, work = self._preparing[0]
        deadline = time.monotonic() + _PREPARING_SECONDS
        try:
            for _ in () if stream.ended else work:
                if time.monotonic() > deadline:
                    return
        except ValueError:  # `open` finds the same, and tells the stream
            pass
        self._preparing.popleft()
        if not stream.ended:
            self._open_slot(stream, keywords)

    def _open_slot(self, stream: LiveStream, keywords: Keywords) -> None:
        """A card may refuse one stream (its licence has ended, say) and go on with the others, and so may a model that
        cannot write a keyword."""
        try:
            self._runner.open(stream.slot.index, stream.slot.generation, keywords)
        except (CardError, ValueError) as error:
            self._fail([stream], str(error))
            return
        with self._wake:
            stream.opened = True
            if not stream.ended and (stream.frames.ready or stream.finished_at is not None):
                self._has_work(stream)

    def _has_work(self, stream: LiveStream) -> None:
        """The stream takes part in the next step, once the runner knows it. The lock is held."""
        if stream.opened:
            self._waiting[stream.id] = stream
            self._wake.notify()

    def _row(self, stream: LiveStream) -> _Row:
        if not stream.frames.ready:
            return _Row(stream, None, stream.finished_at or 0.0, closing=True)
        frame, arrived = stream.frames.take()
        more = stream.frames.ready
        if more:
            self._waiting[stream.id] = stream
        return _Row(stream, frame, arrived, closing=stream.finished_at is not None and not more)

    def _compute(self, rows: list[_Row]) -> list[Row]:
        """One step of the runner for all rows that have a frame, and what it yielded for each of them."""
        frames = [row.frame for row in rows if row.frame is not None]
        if not frames:
            return []
        slots = [row.stream.slot for row in rows if row.frame is not None]
        batch = Batch(
            np.array([slot.index for slot in slots], np.int32),
            np.array([slot.generation for slot in slots], np.uint32),
            np.stack(frames),
        )
        return self._runner.step(batch).rows()

    def _emit(self, rows: list[_Row], yielded: list[Row]) -> None:
        """Hands every sink its answers of this step, in one call."""
        following = iter(yielded)
        events_of: dict[Sink, list[tuple[int, Event]]] = {}
        for row in rows:
            transcript = row.stream.transcript
            answers = transcript.close() if row.frame is None else transcript.add(next(following), row.closing)
            if not row.stream.ended:
                events = events_of.setdefault(row.stream.sink, [])
                events += [(row.stream.id, answer) for answer in answers]
        with self._wake:
            for row in rows:
                if row.closing or row.stream.transcript.is_over:
                    self._end(row.stream)
        for sink, events in events_of.items():
            self._deliver(sink, events)

    def _observe(self, rows: list[_Row], began: float) -> None:
        if self._observer is None or not rows:
            return
        now = time.monotonic()
        frames = sum(row.frame is not None for row in rows)
        latencies = tuple(now - row.arrived for row in rows)
        self._observer(Step(len(rows), now - began, latencies, frames * self.frame_seconds))

    def _end(self, stream: LiveStream) -> None:
        """Frees a stream's slot, once. The lock is held."""
        if stream.ended:
            return
        stream.ended = True
        del self._streams[stream.id]
        self._waiting.pop(stream.id, None)
        self._table.give_back(stream.slot)
        self._errands.append(lambda: self._runner.free(stream.slot.index))
        self._wake.notify()

    def _fail_all(self, reason: str) -> None:
        with self._wake:
            self._stopping = True
            streams = list(self._streams.values())
        self._fail(streams, reason)

    def _fail(self, streams: Sequence[LiveStream], reason: str) -> None:
        with self._wake:
            failed = [stream for stream in streams if not stream.ended]
            for stream in failed:
                self._end(stream)
        for stream in failed:
            self._deliver(stream.sink, [(stream.id, Failed(reason))])

    def _deliver(self, sink: Sink, events: Sequence[tuple[int, Event]]) -> None:
        try:
            sink(events)
        except Exception:  # one listener's fault must not end the others' streams
            log.exception("a listener did not take its answers")
