"""`gharial bench engine --profile`: where each microsecond of a step goes.

Every batch holds every stream (no pace), so the table is about that batch size. Arithmetic runs in the engine's thread.
"""

from dataclasses import dataclass

from gharial_asr.decoding.beam.candidates import Chooser
from gharial_asr.decoding.beam.search import BeamDecoder
from gharial_asr.decoding.greedy import GreedyDecoder
from gharial_asr.inference.dense import Float32Dense
from gharial_asr.inference.lstm import DenseLayer, Int8Layer
from gharial_asr.inference.native.kernel import Kernel
from gharial_asr.inference.network import Network
from gharial_asr.runner import LocalRunner
from gharial_asr.state import Prediction, Recurrence
from gharial_asr.streaming import StreamingFeatures

from gharial_server.bench.load import Load, audio
from gharial_server.bench.machine import Machine, this_machine
from gharial_server.bench.measure import WARM_UP_SECONDS
from gharial_server.bench.settings import BenchSettings
from gharial_server.bench.stopwatch import Part, Spot, Stopwatch
from gharial_server.bench.subject import SpeakingNetwork, subject
from gharial_server.engine.batching import BatchingEngine
from gharial_server.engine.interface import ModelInfo
from gharial_server.engine.transcript import Transcript

# Called once per step.
STEP: Part = ("runner", "bookkeeping")

SPOTS = (
    Spot(BatchingEngine, "_collect", "rows from streams", "engine"),
    Spot(BatchingEngine, "_compute", "batch from rows", "engine"),
    Spot(BatchingEngine, "_emit", "answers to sinks", "engine"),
    Spot(BatchingEngine, "_observe", "latencies", "engine"),
    Spot(Transcript, "add", "words and answers", "engine"),
    Spot(Load, "_take", "the next frames, pushed", "load"),
    Spot(LocalRunner, "step", "bookkeeping", "runner"),
    Spot(StreamingFeatures, "step", "log-mel", "front end"),
    Spot(Recurrence, "gather", "states out of slots"),
    Spot(Recurrence, "scatter", "states into slots"),
    Spot(Prediction, "gather", "states out of slots"),
    Spot(Prediction, "scatter", "states into slots"),
    Spot(Network, "encode", "stacking in time", "encoder"),
    Spot(Network, "predict", "calls", "prediction"),
    Spot(Network, "embed", "embeddings", "prediction"),
    Spot(Network, "logits", "sum and rectifier", "joint"),
    Spot(DenseLayer, "step", "gates and cells"),
    Spot(Int8Layer, "step", "calls"),
    Spot(Kernel, "quantise", "ranges of activations"),
    Spot(Kernel, "product", "int8 products"),
    Spot(Kernel, "cells", "gates and cells"),
    Spot(Float32Dense, "__call__", "float32 products"),
    Spot(SpeakingNetwork, "logits", "lots for the blank", "joint"),
    Spot(GreedyDecoder, "step", "choosing tokens", "decoding"),
    Spot(BeamDecoder, "step", "settling, storing", "decoding"),
    Spot(BeamDecoder, "_search", "search", "decoding"),
    Spot(Chooser, "choose", "candidates", "decoding"),
)


@dataclass(frozen=True)
class ProfileRow:
    """Microseconds and calls per step, and the share of the step, of one part."""

    area: str
    what: str
    microseconds: float
    share: float
    calls: float


@dataclass(frozen=True)
class Profile:
    """A step of so many streams, in microseconds of processor time; rows: most expensive first."""

    arch: str
    decoder: str
    precision: str
    streams: int
    steps: int
    microseconds: float
    rows: tuple[ProfileRow, ...]
    machine: Machine


def profile(settings: BenchSettings) -> Profile:
    """Runs with timers around the parts. Raises ValueError where they would not see all of the work."""
    if settings.threads != 1:
        raise ValueError("--profile sees the engine's thread alone; give --threads 1")
    if settings.resets:
        raise ValueError("--profile is about one size of batch, which --state-resets change; leave them out")
    machine, what = this_machine(), subject(settings)
    runner, _ = what.for_streams(settings.streams)
    watch = Stopwatch()
    with watch.around(SPOTS):
        info = ModelInfo(what.name, "bench", "en", "", "cpu")
        engine = BatchingEngine(runner, what.pieces, info)
        try:
            load = Load(engine, audio(settings.audio), settings.streams, paced=False)
            load.run(WARM_UP_SECONDS)
            watch.reset()
            load.run(settings.seconds)
            nanoseconds, calls = watch.whole
        finally:
            engine.stop()
    if STEP not in calls:
        raise RuntimeError("no batch was finished within the time; give fewer --streams or more --seconds")
    steps, total = calls[STEP], sum(nanoseconds.values())
    rows = [
        ProfileRow(
            area, name, round(spent / steps / 1000, 1), round(spent / total, 4), round(calls[area, name] / steps, 2)
        )
        for (area, name), spent in sorted(nanoseconds.items(), key=lambda item: -item[1])
        if (area, name) in calls
    ]
    return Profile(
        arch=what.name,
        decoder=settings.decoder,
        precision=what.precision,
        streams=settings.streams,
        steps=steps,
        microseconds=round(total / steps / 1000, 1),
        rows=tuple(rows),
        machine=machine,
    )
