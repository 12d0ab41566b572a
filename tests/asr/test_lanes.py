"""State resets around a runner: what they leave alone, and what a real network's two lanes make of a seam."""

import pickle

import numpy as np
import pytest
from gharial_asr.compilation import CompiledModel, compile_checkpoint
from gharial_asr.emissions import Row
from gharial_asr.lanes import LaneRunner
from gharial_asr.resets import ResetSettings, ResetSteps
from gharial_asr.runner import Batch, LocalRunner, Runner
from gharial_asr.state import StaleSlotError
from numpy.typing import NDArray
from tiny_models import babble, tiny_checkpoint

STEP = 960
STEPS = ResetSteps(segment=48, overlap=20)


def model() -> CompiledModel:
    return compile_checkpoint(tiny_checkpoint(3), "int8")


def with_resets(compiled: CompiledModel, slots: int, steps: ResetSteps = STEPS) -> LaneRunner:
    return LaneRunner(LocalRunner(compiled, 2 * slots), compiled.tokenizer.pieces, steps)


def decode(runner: Runner, recordings: dict[int, NDArray[np.float32]], generation: int = 1) -> dict[int, list[Row]]:
    """What each frame of recordings yields, all of them in one batch for as long as each lasts."""
    for slot in recordings:
        runner.open(slot, generation)
    found: dict[int, list[Row]] = {slot: [] for slot in recordings}
    for frame in range(max(len(x) for x in recordings.values()) // STEP):
        going = [slot for slot, x in recordings.items() if len(x) >= (frame + 1) * STEP]
        samples = np.stack([recordings[slot][frame * STEP : (frame + 1) * STEP] for slot in going])
        batch = Batch(np.array(going, np.int32), np.full(len(going), generation, np.uint32), samples)
        for slot, row in zip(going, runner.step(batch).rows(), strict=True):
            found[slot].append(row)
    return found


def frames(rows: list[Row]) -> list[int]:
    return [frame for row in rows for frame in row.settled.frames]


def test_a_stream_that_is_no_longer_than_a_segment_decodes_bit_for_bit_as_without() -> None:
    compiled = model()
    recordings = {slot: babble(STEPS.segment * 0.06 - slot, seed=slot) for slot in range(3)}
    assert decode(with_resets(compiled, 3), recordings) == decode(LocalRunner(compiled, 3), recordings)


def test_until_the_seam_the_first_lane_is_heard_and_from_then_on_the_second() -> None:
    compiled = model()
    samples = babble(6, seed=1)
    rows = decode(with_resets(compiled, 1), {0: samples})[0]
    plain = decode(LocalRunner(compiled, 1), {0: samples})[0]
    fresh = decode(LocalRunner(compiled, 1), {0: samples[(STEPS.stride) * STEP :]})[0]
    assert rows[: STEPS.segment] == plain[: STEPS.segment]
    after, begin = STEPS.segment + 2 * 6, STEPS.stride
    second = [row.settled.tokens for row in rows[after : STEPS.stride + STEPS.segment]]
    assert second == [row.settled.tokens for row in fresh[after - begin : STEPS.segment]]
    assert any(second)


def test_times_go_on_across_seams_and_never_back() -> None:
    rows = decode(with_resets(model(), 1), {0: babble(20, seed=2)})[0]
    assert frames(rows) == sorted(frames(rows))
    assert all(frame <= at for at, row in enumerate(rows) for frame in row.settled.frames)
    assert max(frames(rows)) > len(rows) - STEPS.segment


def test_who_shares_the_batch_changes_nothing_with_resets_either() -> None:
    compiled = model()
    recordings = {slot: babble(5 + slot / 3, seed=slot) for slot in range(7)}
    together = decode(with_resets(compiled, 7), recordings)
    for slot, samples in recordings.items():
        assert decode(with_resets(compiled, 7), {slot: samples})[slot] == together[slot]


def test_a_reused_slot_never_sees_its_former_stream_even_when_that_ended_in_an_overlap() -> None:
    compiled = model()
    used = with_resets(compiled, 2)
    decode(used, {1: babble((STEPS.stride + 5) * 0.06, seed=4)}, generation=7)
    used.free(1)
    samples = {1: babble(8, seed=5)}
    assert decode(used, samples, generation=8) == decode(with_resets(compiled, 2), samples, generation=8)


def test_a_step_for_a_former_generation_is_refused_and_changes_nothing() -> None:
    compiled = model()
    runner, samples = with_resets(compiled, 2), babble(8, seed=5)
    runner.open(0, 1)
    runner.free(0)
    rows: list[Row] = []
    runner.open(0, 2)
    for at in range(len(samples) // STEP):
        frame = samples[at * STEP : (at + 1) * STEP][None]
        with pytest.raises(StaleSlotError, match="slot 0 is not open for generation 1"):
            runner.step(Batch(np.array([0], np.int32), np.array([1], np.uint32), frame))
        rows += runner.step(Batch(np.array([0], np.int32), np.array([2], np.uint32), frame)).rows()
    assert rows == decode(with_resets(compiled, 2), {0: samples}, generation=2)[0]


def test_a_quarter_of_all_rows_is_the_price_of_the_documented_lengths() -> None:
    steps = ResetSettings().steps(0.06)
    assert (steps.segment, steps.overlap, steps.rows_per_stream) == (250, 50, 1.25)


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        (ResetSettings(15.01, 3.0), "segment of state resets is 15.01 s; give a multiple of 0.06 s, such as 15"),
        (ResetSettings(15.0, 3.05), "overlap of state resets is 3.05 s; give a multiple of 0.06 s, such as 3.06"),
        (ResetSettings(15.0, 0.6), "give 1.2 s or more, and at most half a segment"),
        (ResetSettings(15.0, 9.0), r"at most half a segment \(7.5 s\)"),
        (ResetSettings(0.0, 3.0), "segment of state resets is 0 s"),
    ],
)
def test_lengths_that_cannot_be_are_refused_with_some_that_can(settings: ResetSettings, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        settings.steps(0.06)


def test_what_a_stream_holds_does_not_grow_with_its_seams() -> None:
    """Thirty seams: six minutes at the documented lengths."""
    compiled = model()
    runner, sound = with_resets(compiled, 1), babble(20, seed=9)
    runner.open(0, 1)
    sizes = []
    for at in range(30 * STEPS.stride):
        begin = at * STEP % (len(sound) - STEP)
        runner.step(Batch(np.array([0], np.int32), np.array([1], np.uint32), sound[begin : begin + STEP][None]))
        if at % STEPS.stride == 0:
            sizes.append(len(pickle.dumps((runner._overlaps, runner._passages))))
    assert max(sizes[20:]) <= 2 * max(sizes[:10])


def test_overlaps_may_follow_each_other_without_a_gap() -> None:
    compiled = model()
    runner = with_resets(compiled, 1, ResetSteps(segment=40, overlap=20))
    rows = decode(runner, {0: babble(12, seed=6)})[0]
    assert len(rows) == 200
    assert frames(rows) == sorted(frames(rows))
