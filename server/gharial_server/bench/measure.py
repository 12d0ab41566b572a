"""`gharial bench engine`: how many live streams the engine carries, how soon it answers, what it costs."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gharial_server.bench.load import Load, audio
from gharial_server.bench.machine import Machine, resident_bytes, this_machine
from gharial_server.bench.settings import P99_LIMIT_MS, BenchSettings
from gharial_server.bench.subject import CountingRunner, Subject, subject
from gharial_server.engine.batching import BatchingEngine
from gharial_server.engine.interface import ModelInfo, Step

# Measured from here on: kernels are warm and streams have settled into their phases.
WARM_UP_SECONDS = 1.0
# A search ends when the bounds are this close.
SEARCH_STEP = 0.05
MOST_STREAMS = 32768
FRAME_SECONDS = 0.06


@dataclass(frozen=True)
class BenchResult:
    """One run. docs/reference/benchmarks-method.md says what each figure means and how it is taken."""

    arch: str
    decoder: str
    state_resets: bool
    precision: str
    device: str
    random_weights: bool
    tokens_per_frame: float
    streams: int
    seconds: float
    audio_seconds: float
    paced: bool
    threads: int
    realtime: bool
    p50_ms: float
    p99_ms: float
    mean_batch: float
    batch_p50: int
    batch_p99: int
    batch_max: int
    cpu_ms_per_audio_second: float
    generator_cpu_ms_per_audio_second: float
    generator_late_p99_ms: float
    bytes_per_stream: int
    rss_bytes: int
    machine: Machine

    @property
    def carried(self) -> bool:
        """Whether so many streams are carried in time."""
        return self.realtime and self.p99_ms < P99_LIMIT_MS


def run_bench(settings: BenchSettings) -> BenchResult:
    """One run with the streams given."""
    return measure(settings, subject(settings), settings.streams, this_machine())


def search(settings: BenchSettings, tell: Callable[[BenchResult], None]) -> BenchResult:
    """The run with the most streams, within 5 %, that are carried in time; starts at the number given.

    tell: is called with every run. Raises RuntimeError when not even one stream is carried.
    """
    machine, what = this_machine(), subject(settings)
    runs: dict[int, BenchResult] = {}

    def carried(streams: int) -> bool:
        runs[streams] = measure(settings, what, streams, machine)
        tell(runs[streams])
        return runs[streams].carried

    most = most_carried(settings.streams, carried)
    if most == 0:
        raise RuntimeError(f"not one stream is answered within {P99_LIMIT_MS:.0f} ms; give more --threads")
    return runs[most]


def most_carried(first: int, carried: Callable[[int], bool]) -> int:
    """The most streams, within 5 %, for which `carried` says yes, or 0: by doubling, then by halving the interval."""
    most, too_many, streams = 0, MOST_STREAMS + 1, min(first, MOST_STREAMS)
    while True:
        if carried(streams):
            most = streams
        else:
            too_many = streams
        if too_many - most <= max(1, int(SEARCH_STEP * too_many)):
            return most
        streams = 2 * most if 0 < 2 * most < too_many else (most + too_many) // 2


@dataclass(frozen=True)
class _Seen:
    """What one run showed. cpu_seconds: of the process without the generator; behind_seconds: audio that waited."""

    steps: list[Step]
    rows: int
    tokens: int
    cpu_seconds: float
    behind_seconds: float
    load: Load


def measure(settings: BenchSettings, what: Subject, streams: int, machine: Machine) -> BenchResult:
    """One run of an engine of its own with so many streams. Raises RuntimeError."""
    runner, counted = what.for_streams(streams)
    steps: list[Step] = []
    engine = BatchingEngine(
        runner, what.pieces, ModelInfo(what.name, "bench", "en", "", settings.backend), steps.append
    )
    try:
        load = Load(engine, audio(settings.audio), streams, settings.paced, what.spread_seconds)
        load.run(WARM_UP_SECONDS + what.spread_seconds)
        steps.clear()
        rows, tokens, cpu = counted.rows, counted.tokens, time.process_time()
        load.run(settings.seconds)
        cpu = time.process_time() - cpu - load.own_seconds
        rows, tokens = counted.rows - rows, counted.tokens - tokens
        seen = _Seen(list(steps), rows, tokens, cpu, load.backlog_seconds, load)
    finally:
        engine.stop()
    if not seen.steps:
        raise RuntimeError("no batch was finished within the time; give fewer --streams or more --seconds")
    return _result(settings, what, counted, streams, machine, seen)


def _result(
    settings: BenchSettings, what: Subject, counted: CountingRunner, streams: int, machine: Machine, seen: _Seen
) -> BenchResult:
    latencies = np.array([latency for step in seen.steps for latency in step.latencies])
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    batches = np.array([step.rows for step in seen.steps])
    heard = sum(step.audio_seconds for step in seen.steps)
    late = seen.load.late
    in_time = seen.behind_seconds < 2 * FRAME_SECONDS and heard > 0.98 * streams * settings.seconds - 1
    return BenchResult(
        arch=what.name,
        decoder=settings.decoder,
        state_resets=settings.resets,
        precision=what.precision,
        device=what.device,
        random_weights=what.random_weights,
        tokens_per_frame=round(seen.tokens / max(seen.rows, 1), 3),
        streams=streams,
        seconds=settings.seconds,
        audio_seconds=round(heard, 2),
        paced=settings.paced,
        threads=settings.threads,
        realtime=bool(in_time),
        p50_ms=round(float(p50), 2),
        p99_ms=round(float(p99), 2),
        mean_batch=round(float(batches.mean()), 1),
        batch_p50=int(np.percentile(batches, 50)),
        batch_p99=int(np.percentile(batches, 99)),
        batch_max=int(batches.max()),
        cpu_ms_per_audio_second=round(seen.cpu_seconds / heard * 1000, 2),
        generator_cpu_ms_per_audio_second=round(seen.load.own_seconds / heard * 1000, 3),
        generator_late_p99_ms=round(float(np.percentile(late, 99)) * 1000, 2) if late else 0.0,
        bytes_per_stream=counted.bytes_per_stream * what.lanes,
        rss_bytes=resident_bytes(),
        machine=machine,
    )
