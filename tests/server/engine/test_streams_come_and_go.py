"""Streams opened, fed, finished and dropped in any order: each hears what its audio says when it is alone."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pytest
from gharial_asr.compilation import CompiledModel, compile_checkpoint
from gharial_asr.offline import Transcription, transcribe
from gharial_asr.runner import LocalRunner
from gharial_server.engine.batching import BatchingEngine
from gharial_server.engine.interface import Answer, EngineFullError, Event, ModelInfo, Stream
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from numpy.typing import NDArray
from tiny_models import babble, tiny_checkpoint, tiny_config

SLOTS = 3
PATIENCE = 60.0


@cache
def model() -> CompiledModel:
    return compile_checkpoint(tiny_checkpoint(config=tiny_config(hidden=32)), "int8")


@dataclass
class Listened:
    """A stream, the audio it got, and what it heard."""

    stream: Stream
    pushed: list[NDArray[np.float32]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """What it heard is what the whole recording says."""
        samples = np.concatenate([np.zeros(0, np.float32), *self.pushed])
        runner = LocalRunner(model(), 1)
        expected: Transcription = next(transcribe(runner, model(), [samples]))[1]
        text = "".join(answer.alternatives[0].transcript for answer in self.answers)
        words = tuple(word for answer in self.answers for word in answer.alternatives[0].words)
        assert text.strip(" ") == expected.transcript
        assert words == expected.words
        assert sum(answer.end > answer.start for answer in self.answers) == expected.encoder_frames
        assert [answer.closing for answer in self.answers].index(True) == len(self.answers) - 1


class StreamsComeAndGo(RuleBasedStateMachine):
    """Drives a real engine from one thread while its own thread computes."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = BatchingEngine(LocalRunner(model(), SLOTS), model().tokenizer.pieces, ModelInfo(*"abcde"))
        self.open: list[Listened] = []
        self.finished: list[Listened] = []
        self.all: dict[int, Listened] = {}

    def sink(self, events: Sequence[tuple[int, Event]]) -> None:
        for number, event in events:
            assert isinstance(event, Answer)
            self.all[number].answers.append(event)
            if event.closing:
                self.all[number].closed.set()

    @rule()
    def open_stream(self) -> None:
        for listened in self.finished if len(self.open) < SLOTS else []:
            assert listened.closed.wait(PATIENCE)
        if len(self.open) == SLOTS:
            with pytest.raises(EngineFullError):
                self.engine.open(self.sink)
            return
        stream = self.engine.open(self.sink)
        self.all[stream.id] = Listened(stream)
        self.open.append(self.all[stream.id])

    @rule(which=st.integers(0, SLOTS - 1), samples=st.integers(1, 9000), seed=st.integers(0, 5))
    def push(self, which: int, samples: int, seed: int) -> None:
        if which < len(self.open):
            chunk = babble(samples / 16000, seed)
            self.open[which].pushed.append(chunk)
            self.open[which].stream.push(chunk)

    @rule(which=st.integers(0, SLOTS - 1))
    def finish(self, which: int) -> None:
        if which < len(self.open):
            self.finished.append(self.open.pop(which))
            self.finished[-1].stream.finish()

    @rule(which=st.integers(0, SLOTS - 1))
    def drop(self, which: int) -> None:
        if which < len(self.open):
            self.open.pop(which).stream.close()

    @invariant()
    def the_engine_lives(self) -> None:
        assert self.engine.alive
        assert self.engine.active >= len(self.open)

    def teardown(self) -> None:
        try:
            for listened in self.finished:
                assert listened.closed.wait(PATIENCE)
                listened.check()
        finally:
            self.engine.stop()


TestStreamsComeAndGo = StreamsComeAndGo.TestCase
TestStreamsComeAndGo.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
