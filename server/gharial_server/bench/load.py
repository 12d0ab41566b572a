"""Live streams at real-time pace against an engine in this process, and what they saw."""

import heapq
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from gharial_asr.architectures import ARCHITECTURES, random_model
from gharial_asr.compilation import load_model
from gharial_asr.emissions import Emissions
from gharial_asr.runner import Batch, LocalRunner
from numpy.typing import NDArray

from gharial_server.bench.settings import BenchSettings
from gharial_server.engine.batching import BatchingEngine
from gharial_server.engine.interface import SAMPLE_RATE, Answer, Event, ModelInfo, Step

# Measured from here on: kernels are warm and streams have settled into their phases.
WARM_UP_SECONDS = 1.0
# A random network never emits. So that it costs what a speaking one costs, one row in so many reads a label.
ROWS_PER_LABEL = 5


@dataclass(frozen=True)
class BenchResult:
    """One run. Latencies in milliseconds: a frame's last sample in -> its answer out.

    realtime: nothing fell behind; without a pace, nothing would have.
    """

    arch: str
    decoder: str
    precision: str
    streams: int
    seconds: float
    paced: bool
    threads: int
    realtime: bool
    p50_ms: float
    p99_ms: float
    mean_batch: float
    cpu_ms_per_audio_second: float
    bytes_per_stream: int


class SpeakingRunner(LocalRunner):
    """A runner on random weights that lets the prediction network and the joint work as often as in speech."""

    def step(self, batch: Batch) -> Emissions:
        rows = max(1, len(batch.slots) // ROWS_PER_LABEL) if random.random() * ROWS_PER_LABEL < len(batch.slots) else 0
        self.read_labels(batch.slots[:rows], np.zeros(rows, np.int64))
        return super().step(batch)


def run_bench(settings: BenchSettings) -> BenchResult:
    """Streams noise (or speech-like noise, it costs the same) into an engine for some seconds."""
    runner, pieces, precision = _runner(settings)
    steps: list[Step] = []
    info = ModelInfo(settings.arch, "bench", "en", "", "cpu")
    engine = BatchingEngine(runner, pieces, info, steps.append)
    load = _Load(engine, settings)
    try:
        load.run(WARM_UP_SECONDS)
        steps.clear()
        cpu = time.process_time()
        load.run(settings.seconds)
        cpu = time.process_time() - cpu
        measured = list(steps)
        behind = max(stream.backlog_seconds for stream in load.streams.values())
    finally:
        engine.stop()
    if not measured:
        raise RuntimeError("no batch was finished within the time; give fewer --streams or more --seconds")
    latencies = np.array([latency for step in measured for latency in step.latencies])
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    audio = sum(step.audio_seconds for step in measured)
    return BenchResult(
        arch=settings.arch,
        decoder="greedy",
        precision=precision,
        streams=settings.streams,
        seconds=settings.seconds,
        paced=settings.paced,
        threads=settings.threads,
        realtime=bool(behind < 2 * engine.frame_seconds and audio > 0.98 * settings.streams * settings.seconds - 1),
        p50_ms=round(float(p50), 2),
        p99_ms=round(float(p99), 2),
        mean_batch=round(len(latencies) / len(measured), 1),
        cpu_ms_per_audio_second=round(cpu / audio * 1000, 2),
        bytes_per_stream=runner.bytes_per_stream,
    )


def _runner(settings: BenchSettings) -> tuple[LocalRunner, Sequence[str], str]:
    if settings.checkpoint is not None:
        model = load_model(settings.checkpoint, settings.precision)
        return LocalRunner(model, settings.streams), model.tokenizer.pieces, model.precision
    config = ARCHITECTURES[settings.arch]
    pieces = [""] * config.blank
    return SpeakingRunner(random_model(config, settings.precision), settings.streams), pieces, settings.precision


class _Load:
    """Noise for every stream: one frame per frame time, each stream in a phase of its own, or as fast as they go."""

    def __init__(self, engine: BatchingEngine, settings: BenchSettings) -> None:
        self._frame = engine.frame_samples
        self._period = engine.frame_seconds
        generator = np.random.default_rng(1)
        self._noise: NDArray[np.float32] = generator.standard_normal(SAMPLE_RATE * 4, dtype=np.float32) * 0.1
        self._paced = settings.paced
        self.streams = {stream.id: stream for stream in (engine.open(self._take) for _ in range(settings.streams))}
        self._due = [(generator.uniform(0, self._period), number) for number in self.streams]
        self._origin = time.monotonic()
        heapq.heapify(self._due)
        if not settings.paced:
            for number in self.streams:
                self._push(number, 0)

    def run(self, seconds: float) -> None:
        """Keeps the load up for some seconds."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            due, number = self._due[0]
            wait = min(self._origin + due, end) - now if self._paced else end - now
            if wait > 0:
                time.sleep(wait)
                continue
            self._push(number, round(due * SAMPLE_RATE))
            heapq.heapreplace(self._due, (due + self._period, number))

    def _take(self, events: Sequence[tuple[int, Event]]) -> None:
        """Without a pace every answer brings the stream's next frame."""
        if not self._paced:
            for number, event in events:
                if isinstance(event, Answer):
                    self._push(number, round(event.end * SAMPLE_RATE))

    def _push(self, number: int, at: int) -> None:
        start = (number * 7919 + at) % (len(self._noise) - self._frame)
        self.streams[number].push(self._noise[start : start + self._frame])
