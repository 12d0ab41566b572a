"""An engine without arithmetic: one empty answer per 60 ms frame.

It carries the whole front end (`--backend null`), so that sockets, admission and drain can be tested and measured
alone. Like the real one it works on a thread of its own and hands over one batch of events per step.
"""

import itertools
import os
import threading
import time
from collections.abc import Callable

from gharial_asr.keywords import Keywords
from gharial_wire.audio import FRAME_SAMPLES, FRAME_SECONDS, SAMPLE_RATE

from gharial_server.engine.interface import (
    Alternative,
    Answer,
    EngineFullError,
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

SILENCE = (Alternative("", 1.0),)


class NullStream:
    """Counts samples; the engine's thread turns every 960 of them into an answer."""

    def __init__(self, number: int, sink: Sink, engine: "NullEngine") -> None:
        self.id = number
        self.sink = sink
        self.pushed = 0
        self.answered = 0
        self.finishing = False
        self.came_at: float | None = None
        self._engine = engine

    @property
    def backlog_seconds(self) -> float:
        return (self.pushed - self.answered * FRAME_SAMPLES) / SAMPLE_RATE

    def push(self, samples: Samples) -> None:
        if not self.finishing:
            self.pushed += len(samples) // 2 if isinstance(samples, bytes) else len(samples)
            self._engine.wake(self)

    def finish(self) -> None:
        self.finishing = True
        self._engine.wake(self)

    def close(self) -> None:
        self._engine.drop(self)


class NullEngine:
    """Implements the engine's interface for `capacity` streams."""

    frame_seconds = FRAME_SECONDS
    keyword_rules = KeywordRules()

    def __init__(self, model: ModelInfo, capacity: int, observer: Observer, step_seconds: float = 0.005) -> None:
        self.model = model
        self.capacity = capacity
        self.process_id = os.getpid()
        self._observer = observer
        self._step_seconds = step_seconds
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._streams: dict[int, NullStream] = {}
        self._woken: dict[int, NullStream] = {}
        self._work = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="null-engine", daemon=True)
        self._thread.start()

    @property
    def active(self) -> int:
        return len(self._streams)

    @property
    def alive(self) -> bool:
        return not self._stopping

    def open(self, sink: Sink, keywords: Keywords = (), alternatives: int = 1) -> NullStream:
        with self._lock:
            if self._stopping:
                raise EngineStoppedError("the engine has stopped")
            if len(self._streams) >= self.capacity:
                raise EngineFullError(f"all {self.capacity} streams are taken")
            stream = NullStream(next(self._numbers), sink, self)
            self._streams[stream.id] = stream
            return stream

    def stop(self) -> None:
        self._stopping = True
        self._work.set()
        self._thread.join()
        with self._lock:
            left, self._streams = self._streams, {}
        for stream in left.values():
            stream.sink([(stream.id, Failed("the engine was stopped"))])

    def wake(self, stream: NullStream) -> None:
        """Notes that a stream has something to answer."""
        if stream.came_at is None:
            stream.came_at = time.monotonic()
        with self._lock:
            if stream.id in self._streams:
                self._woken[stream.id] = stream
        self._work.set()

    def drop(self, stream: NullStream) -> None:
        """Forgets a stream; its place is free."""
        with self._lock:
            self._streams.pop(stream.id, None)
            self._woken.pop(stream.id, None)

    def _run(self) -> None:
        while True:
            self._work.wait()
            self._work.clear()
            if self._stopping:
                return
            with self._lock:
                woken, self._woken = self._woken, {}
            self._step(list(woken.values()))
            time.sleep(self._step_seconds)

    def _step(self, streams: list[NullStream]) -> None:
        began = time.monotonic()
        batches: dict[Callable[..., None], list[tuple[int, Event]]] = {}
        latencies: list[float] = []
        for stream in streams:
            came_at, stream.came_at = stream.came_at or began, None
            events = self._answers(stream)
            latencies += [began - came_at] * len(events)
            batches.setdefault(stream.sink, []).extend((stream.id, event) for event in events)
        for sink, batch in batches.items():
            sink(batch)
        if latencies:
            seconds = time.monotonic() - began
            self._observer(Step(len(streams), seconds, tuple(latencies), FRAME_SECONDS * len(latencies)))

    def _answers(self, stream: NullStream) -> list[Event]:
        events: list[Event] = []
        while stream.pushed - stream.answered * FRAME_SAMPLES >= FRAME_SAMPLES:
            start = stream.answered * FRAME_SECONDS
            stream.answered += 1
            events.append(Answer(start, stream.answered * FRAME_SECONDS, False, SILENCE))
        if stream.finishing:
            self.drop(stream)
            start, end = stream.answered * FRAME_SECONDS, stream.pushed / SAMPLE_RATE
            events.append(Answer(start, max(start, end), False, SILENCE, closing=True))
        return events
