"""`gharial bench steps`: how long one step of a runner takes, for each batch size, without the engine around it.

The engine costs Python's time for every frame. What a GPU could do, if it were fed fast enough, shows here alone.
"""

import time
from dataclasses import dataclass

import numpy as np
from gharial_asr.device.runner import buckets
from gharial_asr.runner import Batch
from numpy.typing import NDArray

from gharial_server.bench.load import audio
from gharial_server.bench.machine import Machine, this_machine
from gharial_server.bench.measure import FRAME_SECONDS
from gharial_server.bench.settings import BenchSettings
from gharial_server.bench.subject import CountingRunner, Subject, subject

WARM_UP_STEPS = 3
# Each row's samples begin elsewhere.
_STRIDE = 7919


@dataclass(frozen=True)
class BatchTime:
    """Steps of one batch size. streams: whose frames would fill the steps if these came without a pause."""

    batch: int
    steps: int
    p50_ms: float
    p99_ms: float
    tokens_per_frame: float
    streams: int


@dataclass(frozen=True)
class StepTimes:
    """Every batch size of a runner, small to large. load_seconds: to make the runner, on a GPU its graphs included."""

    arch: str
    precision: str
    device: str
    random_weights: bool
    load_seconds: float
    bytes_per_stream: int
    batches: tuple[BatchTime, ...]
    machine: Machine


def run_steps(settings: BenchSettings) -> StepTimes:
    """Times the batch sizes up to settings.streams, which share settings.seconds. Raises what `subject` raises."""
    return time_steps(settings, subject(settings), this_machine())


def time_steps(settings: BenchSettings, what: Subject, machine: Machine) -> StepTimes:
    """The same for a model that is loaded."""
    began = time.perf_counter()
    _, runner = what.for_streams(settings.streams)
    made = time.perf_counter() - began
    for slot in range(settings.streams):
        runner.open(slot, 1)
    sizes = buckets(settings.streams)
    samples = audio(settings.audio)
    times = tuple(_time(runner, size, samples, settings.seconds / len(sizes)) for size in sizes)
    runner.close()
    return StepTimes(
        arch=what.name,
        precision=what.precision,
        device=what.device,
        random_weights=what.random_weights,
        load_seconds=round(made, 2),
        bytes_per_stream=runner.bytes_per_stream,
        batches=times,
        machine=machine,
    )


def _time(runner: CountingRunner, batch: int, samples: NDArray[np.float32], seconds: float) -> BatchTime:
    slots, generations = np.arange(batch, dtype=np.int32), np.ones(batch, np.uint32)
    taken: list[float] = []
    rows = tokens = steps = 0
    end = time.perf_counter() + seconds
    while steps < WARM_UP_STEPS + 1 or time.perf_counter() < end:
        if steps == WARM_UP_STEPS:
            rows, tokens = runner.rows, runner.tokens
        given = Batch(slots, generations, _frames(samples, batch, runner.step_samples, steps))
        began = time.perf_counter()
        runner.step(given)
        taken.append(time.perf_counter() - began)
        steps += 1
    p50, p99 = np.percentile(taken[WARM_UP_STEPS:], [50, 99])
    return BatchTime(
        batch=batch,
        steps=steps - WARM_UP_STEPS,
        p50_ms=round(float(p50) * 1000, 3),
        p99_ms=round(float(p99) * 1000, 3),
        tokens_per_frame=round((runner.tokens - tokens) / (runner.rows - rows), 3),
        streams=int(batch * FRAME_SECONDS / float(p50)),
    )


def _frames(samples: NDArray[np.float32], batch: int, size: int, step: int) -> NDArray[np.float32]:
    """A frame (B, N) for every row, no two from the same place."""
    starts_B = (np.arange(batch) * _STRIDE + step * size) % (len(samples) - size + 1)
    frames_BN: NDArray[np.float32] = samples[starts_B[:, None] + np.arange(size)]
    return frames_BN
