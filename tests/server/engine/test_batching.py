"""The engine with a real runner on tiny models: chunking, sharing, closing, failing."""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from gharial_asr.compilation import CompiledModel, compile_checkpoint
from gharial_asr.emissions import Emissions
from gharial_asr.runner import Batch, LocalRunner
from gharial_server.engine.batching import BatchingEngine
from gharial_server.engine.interface import (
    Answer,
    EngineFullError,
    EngineStoppedError,
    Event,
    Failed,
    ModelInfo,
    Samples,
    Step,
)
from listener import PATIENCE, Listener
from tiny_models import babble, tiny_checkpoint

INFO = ModelInfo("general", "v1", "en", "", "cpu")


@pytest.fixture(scope="module")
def model() -> CompiledModel:
    return compile_checkpoint(tiny_checkpoint(), "int8")


@pytest.fixture
def engine(model: CompiledModel) -> Iterator[BatchingEngine]:
    engine = BatchingEngine(LocalRunner(model, slots=4), model.tokenizer.pieces, INFO)
    yield engine
    engine.stop()


@pytest.fixture
def listener() -> Listener:
    return Listener()


def recognise(engine: BatchingEngine, listener: Listener, chunks: Sequence[Samples]) -> list[Answer]:
    stream = engine.open(listener.sink)
    for chunk in chunks:
        stream.push(chunk)
    stream.finish()
    return listener.all(stream)


@pytest.mark.parametrize("chunk", [1, 7, 159, 960, 1600, 4001, 10**6])
def test_streamed_in_any_chunking_equals_whole(engine: BatchingEngine, listener: Listener, chunk: int) -> None:
    samples = babble(0.5 if chunk == 1 else 1.0)
    chunks = [samples[i : i + chunk] for i in range(0, len(samples), chunk)]
    assert recognise(engine, listener, chunks) == recognise(engine, listener, [samples])


def test_int16_equals_the_float_it_stands_for(engine: BatchingEngine, listener: Listener) -> None:
    whole = (babble(1.0) * 32767).astype(np.int16)
    assert recognise(engine, listener, [whole]) == recognise(engine, listener, [whole.astype(np.float32) / 32768])


def test_one_answer_per_frame_and_intervals_without_gaps(engine: BatchingEngine, listener: Listener) -> None:
    answers = recognise(engine, listener, [babble(1.0)])
    assert [a.start for a in answers] == pytest.approx([0.06 * i for i in range(17)])
    assert [a.end for a in answers] == pytest.approx([0.06 * (i + 1) for i in range(17)])
    assert all(len(a.alternatives) == 1 and not a.is_provisional for a in answers)
    assert all(0 <= a.alternatives[0].confidence <= 1 for a in answers)
    assert "".join(a.alternatives[0].transcript for a in answers).strip()


def test_words_make_up_the_transcript_and_come_in_order(engine: BatchingEngine, listener: Listener) -> None:
    answers = recognise(engine, listener, [babble(2.0)])
    words = [word for a in answers for word in a.alternatives[0].words]
    transcript = "".join(a.alternatives[0].transcript for a in answers)
    assert [word.text for word in words] == transcript.split()
    assert all(0 <= word.start < word.end <= answers[-1].end + 1e-9 for word in words)
    assert [word.start for word in words] == sorted(word.start for word in words)


def test_a_stream_without_audio_gets_a_closing_answer(engine: BatchingEngine, listener: Listener) -> None:
    answers = recognise(engine, listener, [])
    assert [(a.start, a.end, a.closing) for a in answers] == [(0.0, 0.0, True)]


def test_an_end_that_comes_after_the_last_whole_frame_still_closes(engine: BatchingEngine, listener: Listener) -> None:
    stream = engine.open(listener.sink)
    stream.push(babble(0.12))
    assert isinstance(listener.next(stream), Answer)
    assert isinstance(listener.next(stream), Answer)
    stream.finish()
    closing = listener.next(stream)
    assert isinstance(closing, Answer)
    assert closing.closing
    assert closing.start == closing.end == pytest.approx(0.12)


def test_streams_side_by_side_equal_each_alone(engine: BatchingEngine, listener: Listener) -> None:
    recordings = [babble(1.0 + i / 4, seed=i) for i in range(4)]
    alone = [recognise(engine, listener, [samples]) for samples in recordings]
    streams = [engine.open(listener.sink) for _ in recordings]
    for start in range(0, 32000, 700):
        for stream, samples in zip(streams, recordings, strict=True):
            stream.push(samples[start : start + 700])
    for stream in streams:
        stream.finish()
    assert [listener.all(stream) for stream in streams] == alone


def test_a_full_engine_refuses_and_a_closed_stream_makes_room(engine: BatchingEngine, listener: Listener) -> None:
    streams = [engine.open(listener.sink) for _ in range(4)]
    assert engine.active == engine.capacity == 4
    with pytest.raises(EngineFullError, match="all 4 streams are taken"):
        engine.open(listener.sink)
    streams[2].close()
    streams[2].close()
    assert engine.active == 3
    assert len(recognise(engine, listener, [babble(0.3)])) == 5
    with pytest.raises(EngineFullError):
        _ = [engine.open(listener.sink) for _ in range(2)]


def test_a_stream_that_takes_over_a_slot_starts_from_nothing(engine: BatchingEngine, listener: Listener) -> None:
    fresh = recognise(engine, listener, [babble(1.0, seed=3)])
    dropped = engine.open(listener.sink)
    dropped.push(babble(1.0, seed=4))
    assert isinstance(listener.next(dropped), Answer)
    dropped.close()
    assert recognise(engine, listener, [babble(1.0, seed=3)]) == fresh


def test_pushing_to_a_finished_or_closed_stream_does_nothing(engine: BatchingEngine, listener: Listener) -> None:
    stream = engine.open(listener.sink)
    stream.finish()
    stream.push(babble(1.0))
    assert len(listener.all(stream)) == 1
    stream.push(babble(1.0))
    stream.finish()
    stream.close()
    assert engine.active == 0


class BlockedRunner(LocalRunner):
    """A real runner that starts a step when it is told to, and notes the batches."""

    def __init__(self, model: CompiledModel, slots: int) -> None:
        super().__init__(model, slots)
        self.go = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self.rows: list[int] = []

    def step(self, batch: Batch) -> Emissions:
        self.rows.append(len(batch.slots))
        self.entered.release()
        assert self.go.acquire(timeout=PATIENCE)
        return super().step(batch)


def test_frames_that_come_while_a_batch_is_computed_make_the_next_batch(
    model: CompiledModel, listener: Listener
) -> None:
    runner = BlockedRunner(model, slots=4)
    steps: list[Step] = []
    engine = BatchingEngine(runner, model.tokenizer.pieces, INFO, steps.append)
    streams = [engine.open(listener.sink) for _ in range(4)]
    streams[0].push(babble(0.06))
    assert runner.entered.acquire(timeout=PATIENCE)
    for stream in streams:
        stream.push(babble(0.12))
    assert streams[0].backlog_seconds == pytest.approx(0.12)
    for _ in range(3):
        runner.go.release()
    for stream in streams:
        stream.finish()
        listener.all(stream)
    engine.stop()
    assert runner.rows == [1, 4, 4]
    assert [step.rows for step in steps if step.audio_seconds] == [1, 4, 4]
    assert all(len(step.latencies) == step.rows and min(step.latencies) >= 0 for step in steps)


def test_an_idle_engine_has_no_tick(engine: BatchingEngine, listener: Listener) -> None:
    recognise(engine, listener, [babble(0.3)])
    thread = engine._thread

    def woken() -> int:
        """How often the engine's thread has gone to sleep so far."""
        lines = Path(f"/proc/self/task/{thread.native_id}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))

    deadline, before = time.monotonic() + PATIENCE, -1
    while (now := woken()) != before:  # With a tick of a frame's length or less it would be woken for ever.
        assert time.monotonic() < deadline
        before = now
        time.sleep(0.3)
    assert len(recognise(engine, listener, [babble(0.3)])) == 5


class BrokenRunner(LocalRunner):
    """A runner whose card dies."""

    def step(self, batch: Batch) -> Emissions:
        raise ConnectionResetError("the card closed the connection")


def test_when_the_arithmetic_fails_every_stream_is_told_and_the_engine_is_dead(
    model: CompiledModel, listener: Listener
) -> None:
    engine = BatchingEngine(BrokenRunner(model, slots=2), model.tokenizer.pieces, INFO)
    streams = [engine.open(listener.sink) for _ in range(2)]
    streams[0].push(babble(0.06))
    for stream in streams:
        event = listener.next(stream)
        assert isinstance(event, Failed)
        assert "the card closed the connection" in event.reason
    assert not engine.alive
    with pytest.raises(EngineStoppedError):
        engine.open(listener.sink)
    engine.stop()


def test_stopping_fails_the_streams_still_open(model: CompiledModel, listener: Listener) -> None:
    engine = BatchingEngine(LocalRunner(model, slots=2), model.tokenizer.pieces, INFO)
    stream = engine.open(listener.sink)
    engine.stop()
    assert isinstance(listener.next(stream), Failed)
    assert engine.active == 0


def test_a_listener_that_raises_does_not_harm_the_others(engine: BatchingEngine, listener: Listener) -> None:
    def raising(events: Sequence[tuple[int, Event]]) -> None:
        raise RuntimeError("gone")

    engine.open(raising).push(babble(0.06))
    assert len(recognise(engine, listener, [babble(0.3)])) == 5
