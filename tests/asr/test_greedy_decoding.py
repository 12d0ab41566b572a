"""Batched streaming decoding against the plain network, one label at a time."""

import numpy as np
import pytest
import torch
from gharial_asr.checkpoint import HardwareCheckpoint
from gharial_asr.compilation import compile_checkpoint
from gharial_asr.decoding.greedy import GreedyDecoder
from gharial_asr.features import Features
from gharial_asr.model import START
from gharial_asr.precision import Precision
from gharial_asr.runner import Batch, LocalRunner
from gharial_asr.state import StaleSlotError
from numpy.typing import NDArray
from side_by_side import rows_of
from tiny_models import babble, tiny_checkpoint, tiny_config

STEP = 960
Token = tuple[int, int]


def decode_plainly(checkpoint: HardwareCheckpoint, samples: NDArray[np.float32]) -> list[Token]:
    """(frame, token) pairs by the textbook: whole features, whole encoder, one label at a time."""
    model = checkpoint.build_model()
    features = Features(checkpoint.config, checkpoint.mel_mean, checkpoint.mel_variance)
    tokens: list[Token] = []
    with torch.inference_mode():
        f_BTJ, _ = model.encode(features(torch.from_numpy(samples)[None]))
        g_BUJ, state = model.predict(torch.tensor([[START]]))
        for frame in range(f_BTJ.shape[1]):
            for _ in range(30):
                best = int(model.joint(f_BTJ[0, frame], g_BUJ[0, 0]).argmax())
                if best == checkpoint.config.blank:
                    break
                tokens.append((frame, best))
                g_BUJ, state = model.predict(torch.tensor([[best]]), state)
    return tokens


def decode_together(runner: LocalRunner, recordings: dict[int, NDArray[np.float32]]) -> dict[int, list[Token]]:
    """The tokens of each recording with their frames, all of them streamed side by side."""
    found: dict[int, list[Token]] = {slot: [] for slot in recordings}
    for slot, row in rows_of(runner, recordings):
        found[slot] += zip(row.settled.frames, row.settled.tokens, strict=True)
        assert not row.hypotheses
    return found


@pytest.mark.parametrize(("seed", "bias"), [(1, 22.0), (3, 22.0), (5, 18.0)])
@pytest.mark.parametrize("prediction_layers", [1, 2])
def test_float32_streamed_equals_the_textbook(seed: int, bias: float, prediction_layers: int) -> None:
    checkpoint = tiny_checkpoint(seed, tiny_config(prediction_layers=prediction_layers), bias)
    recordings = {slot: babble(1.5 + slot / 2, seed=slot) for slot in range(4)}
    found = decode_together(LocalRunner(compile_checkpoint(checkpoint, "float32"), slots=6), recordings)
    assert found == {slot: decode_plainly(checkpoint, x) for slot, x in recordings.items()}


@pytest.mark.parametrize("precision", ["int8", "float32"])
@pytest.mark.parametrize("seed", [3, 5])
def test_who_shares_the_batch_changes_no_token_and_no_probability(precision: Precision, seed: int) -> None:
    model = compile_checkpoint(tiny_checkpoint(seed), precision)
    recordings = {slot: babble(1 + slot % 3 / 2, seed=slot) for slot in range(13)}
    together = decode_together(LocalRunner(model, slots=13), recordings)
    alone = {slot: decode_together(LocalRunner(model, slots=13), {slot: x})[slot] for slot, x in recordings.items()}
    assert together == alone
    assert sum(map(len, together.values())) > 50


def test_int8_states_are_bit_equal_whoever_shares_the_batch() -> None:
    model = compile_checkpoint(tiny_checkpoint(), "int8")
    crowd, lonely = LocalRunner(model, slots=33), LocalRunner(model, slots=1)
    recordings = {slot: babble(2, seed=slot) for slot in range(33)}
    decode_together(crowd, recordings)
    decode_together(lonely, {0: recordings[0]})
    for name in ("pre", "post"):
        ours, theirs = getattr(lonely.states, name), getattr(crowd.states, name)
        assert torch.equal(ours.hidden[:, 0], theirs.hidden[:, 0])
        assert torch.equal(ours.cell[:, 0], theirs.cell[:, 0])
    assert isinstance(lonely.decoder, GreedyDecoder)
    assert isinstance(crowd.decoder, GreedyDecoder)
    assert torch.equal(lonely.decoder.states.projected[0], crowd.decoder.states.projected[0])


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_a_reused_slot_never_sees_its_former_stream(precision: Precision) -> None:
    model = compile_checkpoint(tiny_checkpoint(), precision)
    runner = LocalRunner(model, slots=2)
    decode_together(runner, {1: babble(4, seed=7)})
    again = decode_together(runner, {1: babble(4, seed=8)})
    assert again == decode_together(LocalRunner(model, slots=2), {1: babble(4, seed=8)})


def test_a_step_for_a_former_generation_is_refused() -> None:
    runner = LocalRunner(compile_checkpoint(tiny_checkpoint(), "int8"), slots=2)
    runner.open(0, generation=5)
    frame = np.zeros((1, STEP), np.float32)
    runner.step(Batch(np.array([0], np.int32), np.array([5], np.uint32), frame))
    runner.free(0)
    runner.open(0, generation=6)
    with pytest.raises(StaleSlotError, match="slot 0 is not open for generation 5"):
        runner.step(Batch(np.array([0], np.int32), np.array([5], np.uint32), frame))


def test_int8_stays_close_to_float32() -> None:
    """Log-probabilities are not compared token by token: random networks are chaotic. The first frames are not yet."""
    checkpoint = tiny_checkpoint(blank_bias=60.0)
    hidden = []
    for precision in ("float32", "int8"):
        runner = LocalRunner(compile_checkpoint(checkpoint, precision), slots=1)
        decode_together(runner, {0: babble(0.3)})
        hidden.append(runner.states.post.hidden[:, 0])
    assert (hidden[0] - hidden[1]).abs().mean() < 0.1


def test_at_most_thirty_tokens_come_from_one_frame() -> None:
    runner = LocalRunner(compile_checkpoint(tiny_checkpoint(blank_bias=-100.0), "int8"), slots=3)
    found = decode_together(runner, {slot: babble(0.3, seed=slot) for slot in range(3)})
    assert all(len(tokens) == 5 * 30 for tokens in found.values())
