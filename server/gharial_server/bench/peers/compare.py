"""`gharial bench peers`: the engine and its peers take turns on the same audio, in one run and on the same threads.

Figure of merit: milliseconds of processor time, of all threads, per second of audio. Turns are short, so that whatever
else the machine does falls on all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from gharial_asr.architectures import ARCHITECTURES, random_model
from gharial_asr.audio import read_audio
from gharial_asr.compilation import Arithmetic, load_model

from gharial_server.bench.load import noise
from gharial_server.bench.machine import Machine, this_machine
from gharial_server.bench.measure import FRAME_SECONDS
from gharial_server.bench.peers.contestants import (
    Contestant,
    EngineContestant,
    OnnxContestant,
    SphinxContestant,
    Turn,
    encoder_inputs,
)
from gharial_server.bench.peers.onnx_peer import Sessions
from gharial_server.bench.settings import BenchSettings
from gharial_server.bench.subject import model_file, subject

# The time is divided into so many turns of each; a short one before them is not counted.
ROUNDS = 3
WARM_UP_SECONDS = 0.3
# Said unless there is --audio, where the program runs in the repository's folder.
RECORDINGS = Path("models/starter/samples")


@dataclass(frozen=True)
class PeerResult:
    """One recogniser. ratio: how many times the engine's processor time it takes.

    streams_per_core: live streams that would fill a core to the brim. tokens_per_frame: None for other kinds of token.
    """

    name: str
    batch: int
    cpu_ms_per_audio_second: float
    ratio: float
    streams_per_core: float
    tokens_per_frame: float | None


@dataclass(frozen=True)
class Comparison:
    """All recognisers of one run, the engine first. seconds: of each."""

    arch: str
    threads: int
    seconds: float
    audio: str
    peers: tuple[PeerResult, ...]
    machine: Machine


def compare(settings: BenchSettings) -> Comparison:
    """Measures the engine, onnxruntime stream by stream and in batches, and pocketsphinx."""
    machine, files = this_machine(), settings.audio or tuple(sorted(RECORDINGS.glob("*.flac")))
    contestants = _contestants(replace(settings, audio=files, paced=False))
    turns: list[list[Turn]] = [[] for _ in contestants]
    for contestant in contestants:
        contestant.turn(WARM_UP_SECONDS)
    for _ in range(ROUNDS):
        for contestant, done in zip(contestants, turns, strict=True):
            done.append(contestant.turn(settings.seconds / ROUNDS))
    engine = _cost(turns[0])
    return Comparison(
        arch=settings.model,
        threads=settings.threads,
        seconds=settings.seconds,
        audio=", ".join(file.name for file in files) or "noise",
        peers=tuple(_result(c, done, engine) for c, done in zip(contestants, turns, strict=True)),
        machine=machine,
    )


def _contestants(settings: BenchSettings) -> list[Contestant]:
    recordings = [read_audio(file) for file in settings.audio] or [noise()]
    model = _float32(settings.model)
    by_lot = settings.model in ARCHITECTURES
    sessions = Sessions(model, int8=True, threads=settings.threads)
    inputs_BTF = encoder_inputs(model, np.concatenate(recordings), settings.streams)
    return [
        EngineContestant(settings, subject(settings)),
        OnnxContestant("onnxruntime int8, each stream apart", sessions, inputs_BTF[:1], by_lot),
        OnnxContestant("onnxruntime int8, in batches", sessions, inputs_BTF, by_lot),
        SphinxContestant(recordings),
    ]


def _float32(model: str) -> Arithmetic:
    """The weights that the engine quantises, or has quantised, in float32."""
    config = ARCHITECTURES.get(model)
    return load_model(model_file(model), "float32") if config is None else random_model(config, "float32")


def _cost(turns: Sequence[Turn]) -> float:
    """Processor milliseconds per second of audio."""
    return sum(turn.cpu_seconds for turn in turns) / sum(turn.audio_seconds for turn in turns) * 1000


def _result(contestant: Contestant, turns: Sequence[Turn], engine: float) -> PeerResult:
    cost = _cost(turns)
    frames = sum(turn.audio_seconds for turn in turns) / FRAME_SECONDS
    tokens = [turn.tokens for turn in turns if turn.tokens is not None]
    return PeerResult(
        name=contestant.name,
        batch=contestant.batch,
        cpu_ms_per_audio_second=round(cost, 2),
        ratio=round(cost / engine, 2),
        streams_per_core=round(1000 / cost, 1),
        tokens_per_frame=round(sum(tokens) / frames, 3) if tokens else None,
    )
