"""Live streams with beam search on the starter model: finals, partials, and the same words as decoded whole."""

import itertools
import queue
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from gharial_asr.audio import read_audio
from gharial_asr.building import build_runner
from gharial_asr.compilation import CompiledModel, load_model
from gharial_asr.decoding.settings import BEAM
from gharial_asr.offline import Transcription, transcribe
from gharial_asr.recognition import Recognition
from gharial_server.engine.batching import BatchingEngine
from gharial_server.engine.interface import Answer, Event, ModelInfo
from numpy.typing import NDArray

STARTER = Path(__file__).parents[3] / "models/starter"
SETTINGS = Recognition(decoder=BEAM)


@cache
def model() -> CompiledModel:
    return load_model(STARTER / "starter.gharial")


@cache
def recording(name: str, seconds: float) -> NDArray[np.float32]:
    return read_audio(STARTER / "samples" / f"{name}.flac")[: round(seconds * 16000)]


@cache
def whole(name: str, seconds: float) -> Transcription:
    runner = build_runner(model(), 1, SETTINGS)
    return next(transcribe(runner, model(), [recording(name, seconds)]))[1]


@pytest.fixture
def engine() -> Iterator[BatchingEngine]:
    engine = BatchingEngine(build_runner(model(), 3, SETTINGS), model().pieces, ModelInfo(*"abcde"))
    yield engine
    engine.stop()


def streamed(engine: BatchingEngine, samples: Sequence[NDArray[np.float32]], chunk: int) -> list[list[Answer]]:
    """Answers of streams that are pushed in turn, in chunks."""
    heard: dict[int, queue.Queue[Event]] = {}

    def sink(events: Sequence[tuple[int, Event]]) -> None:
        for number, event in events:
            heard[number].put(event)

    streams = [engine.open(sink, alternatives=4) for _ in samples]
    heard.update({stream.id: queue.Queue() for stream in streams})
    for start in range(0, max(map(len, samples)), chunk):
        for stream, each in zip(streams, samples, strict=True):
            stream.push(each[start : start + chunk])
    answers: list[list[Answer]] = []
    for stream in streams:
        stream.finish()
        answers.append([])
        while not answers[-1] or not answers[-1][-1].closing:
            event = heard[stream.id].get(timeout=60)
            assert isinstance(event, Answer)
            answers[-1].append(event)
    return answers


@pytest.mark.parametrize("chunk", [777, 960, 10**6])
def test_streamed_in_any_chunking_and_company_equals_whole(engine: BatchingEngine, chunk: int) -> None:
    pieces = [("digits-jackson-000", 3.0), ("reading-8226-0037", 2.0), ("digits-jackson-001", 1.111)]
    for answers, piece in zip(streamed(engine, [recording(*p) for p in pieces], chunk), pieces, strict=True):
        expected = whole(*piece)
        finals = [answer for answer in answers if not answer.is_provisional]
        assert "".join(answer.alternatives[0].transcript for answer in finals).strip(" ") == expected.transcript
        assert tuple(word for answer in finals for word in answer.alternatives[0].words) == expected.words
        assert expected.transcript


def test_every_frame_but_the_last_has_a_partial_and_finals_go_before_it(engine: BatchingEngine) -> None:
    (answers,) = streamed(engine, [recording("reading-8226-0037", 2.0)], 960)
    partials = [answer for answer in answers if answer.is_provisional]
    # Two seconds are 33 frames and a third; the third makes the closing answer.
    assert [round(answer.end / 0.06) for answer in partials] == list(range(1, 34))
    assert answers[-1].closing
    assert not answers[-1].is_provisional
    for before, after in itertools.pairwise(answers):
        assert after.end >= before.end or before.is_provisional
        assert before.is_provisional or after.closing or after.is_provisional
    assert max(len(answer.alternatives) for answer in partials) > 1
    assert all(0 <= each.confidence <= 1 for answer in answers for each in answer.alternatives)


def test_finals_come_before_the_end() -> None:
    runner = build_runner(model(), 1, SETTINGS)
    engine = BatchingEngine(runner, model().pieces, ModelInfo(*"abcde"))
    (answers,) = streamed(engine, [recording("digits-jackson-000", 3.0)], 960)
    engine.stop()
    early = "".join(a.alternatives[0].transcript for a in answers if not a.is_provisional and not a.closing)
    assert len(early.split()) >= 2
