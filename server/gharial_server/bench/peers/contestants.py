"""The engine and its peers, each taking turns: some seconds of work, and an account of it.

Shapes: B streams, S encoder inputs of a step, F features, T encoder inputs of the audio.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from gharial_asr.compilation import Arithmetic
from gharial_asr.features import Features
from numpy.typing import NDArray

from gharial_server.bench.machine import this_machine
from gharial_server.bench.measure import FRAME_SECONDS, measure
from gharial_server.bench.peers.onnx_peer import OnnxStreams, Sessions
from gharial_server.bench.peers.sphinx_peer import FRAME_SAMPLES, SphinxStream
from gharial_server.bench.settings import BenchSettings
from gharial_server.bench.subject import Subject

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Turn:
    """Processor time of all threads, audio decoded by it, and tokens; tokens None where they are another kind."""

    cpu_seconds: float
    audio_seconds: float
    tokens: int | None


class Contestant(Protocol):
    """One recogniser; batch: streams that it takes at once."""

    name: str
    batch: int

    def turn(self, seconds: float) -> Turn:
        """Works for about so long."""


class EngineContestant:
    """This engine, as it is served: batching thread, features, answers."""

    name = "gharial"

    def __init__(self, settings: BenchSettings, what: Subject) -> None:
        self.batch = settings.streams
        self._settings = settings
        self._what = what
        self._machine = this_machine()

    def turn(self, seconds: float) -> Turn:
        found = measure(self._settings.lasting(seconds), self._what, self.batch, self._machine)
        heard = found.audio_seconds
        tokens = found.tokens_per_frame * heard / FRAME_SECONDS
        return Turn(found.cpu_ms_per_audio_second * heard / 1000, heard, round(tokens))


class OnnxContestant:
    """The same network in onnxruntime. Features are computed before and not counted, in the peer's favour.

    When the audio is over its streams end and others begin: states that have listened for hours say less.
    """

    def __init__(self, name: str, sessions: Sessions, inputs_BTF: Samples, by_lot: bool) -> None:
        """inputs_BTF: what each stream says, over and over; a whole number of steps."""
        self.name = name
        self.batch = len(inputs_BTF)
        self._steps = sessions.config.rnnt.enc_stack_time_factor
        self._inputs_BTF = inputs_BTF
        self._begin = partial(OnnxStreams, sessions, self.batch, by_lot)
        self._streams = self._begin()
        self._at = 0

    def turn(self, seconds: float) -> Turn:
        tokens = 0

        def frame() -> None:
            nonlocal tokens
            x_BSF = self._inputs_BTF[:, self._at : self._at + self._steps]
            tokens += sum(map(len, self._streams.step(x_BSF)))
            self._at += self._steps
            if self._at >= self._inputs_BTF.shape[1]:
                self._at, self._streams = 0, self._begin()

        cpu, frames = _repeat(frame, seconds)
        return Turn(cpu, frames * self.batch * FRAME_SECONDS, tokens)


class SphinxContestant:
    """pocketsphinx, one stream; what it costs at the end of an utterance is counted too."""

    name = "pocketsphinx"
    batch = 1

    def __init__(self, recordings: Sequence[Samples]) -> None:
        self._stream = SphinxStream()
        self._recordings = recordings
        self._number, self._at = 0, 0

    def turn(self, seconds: float) -> Turn:
        cpu, frames = _repeat(self._frame, seconds)
        return Turn(cpu, frames * FRAME_SECONDS, None)

    def _frame(self) -> None:
        samples = self._recordings[self._number]
        self._stream.push(samples[self._at : self._at + FRAME_SAMPLES])
        self._at += FRAME_SAMPLES
        if self._at >= len(samples):
            self._stream.finish()
            self._number, self._at = (self._number + 1) % len(self._recordings), 0


def encoder_inputs(model: Arithmetic, samples: Samples, streams: int) -> Samples:
    """What streams say, each from another place of the audio on, as encoder inputs (B, T, F)."""
    with torch.inference_mode():
        features = Features(model.config, model.mel_mean, model.mel_variance)
        x_TF = features(torch.from_numpy(samples)[None])[0].numpy()
    apart = len(x_TF) // streams
    rolled: Samples = np.stack([np.roll(x_TF, -apart * stream, 0) for stream in range(streams)])
    return rolled


def _repeat(frame: Callable[[], None], seconds: float) -> tuple[float, int]:
    """Processor seconds and how many frames were done within some seconds, at least one."""
    began, end, frames = time.process_time(), time.monotonic() + seconds, 0
    while not frames or time.monotonic() < end:
        frame()
        frames += 1
    return time.process_time() - began, frames
