"""What holds bit for bit: a stream's numbers depend on its audio alone, not on its neighbours, its place in the batch,
the number of threads, or on who had its slot before."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from gharial_asr.compilation import compile_checkpoint
from gharial_asr.config import NetworkConfig, RnntConfig, TokenizerConfig
from gharial_asr.decoding.settings import BEAM, GREEDY, DecoderSettings
from gharial_asr.emissions import Row
from gharial_asr.inference.dense import Int8Dense, quantise_weight
from gharial_asr.runner import Batch, LocalRunner
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from tiny_models import PIECES, babble, tiny_checkpoint

STEP = 960


def config(encoder: int, prediction: int) -> RnntConfig:
    sizes = NetworkConfig(enc_n_hid=encoder, enc_post_rnn_layers=2, pred_n_hid=prediction, joint_n_hid=40)
    return RnntConfig(rnnt=sizes, tokenizer=TokenizerConfig(vocab_size=PIECES))


@pytest.fixture
def threads() -> Iterator[None]:
    """Gives the number of threads back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@given(
    outputs=st.integers(1, 70), inputs=st.integers(1, 130), rows=st.integers(1, 70), seed=st.integers(0, 999),
    loud=st.sampled_from([1e-6, 1.0, 1e6]),
)  # fmt: skip
@examples(max_examples=150, deadline=None)
def test_a_row_of_an_int8_product_has_the_same_bits_in_any_batch(
    outputs: int, inputs: int, rows: int, seed: int, loud: float
) -> None:
    """Whatever the sizes, the place in the batch, and however loud the neighbours."""
    generator = torch.Generator().manual_seed(seed)
    weight_NK, bias_N = torch.randn(outputs, inputs, generator=generator), torch.randn(outputs, generator=generator)
    product = Int8Dense(quantise_weight(weight_NK), bias_N)
    x_BK = torch.randn(rows, inputs, generator=generator)
    x_BK[1:] *= loud
    together = product(x_BK)
    for row in {0, rows // 2, rows - 1}:
        assert torch.equal(together[row], product(x_BK[row : row + 1])[0])


def states_of(runner: LocalRunner, slot: int) -> dict[str, torch.Tensor]:
    """Every tensor before decoding that belongs to a slot."""
    states = runner.states
    encoder = {
        f"{name}.{part}": getattr(recurrence, part)[:, slot]
        for name, recurrence in (("pre", states.pre), ("post", states.post))
        for part in ("hidden", "cell")
    }
    return encoder | {"history": states.history_SN[slot], "frames": states.frames_S[slot]}


def run(runner: LocalRunner, slots: list[int], frames: int) -> list[Row]:
    """Each slot hears the audio of its number, all in one batch per step. What the first one's steps yield."""
    heard = np.stack([babble(frames * 0.06, seed=slot) for slot in slots])
    named = np.array(slots, np.int32)
    for slot in slots:
        runner.open(slot, slot + 1)
    yielded = []
    for frame in range(frames):
        batch = Batch(named, (named + 1).astype(np.uint32), heard[:, frame * STEP : (frame + 1) * STEP])
        yielded.append(runner.step(batch).rows()[0])
    return yielded


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.mark.parametrize("settings", [GREEDY, BEAM], ids=["greedy", "beam"])
@pytest.mark.parametrize(("encoder", "prediction"), [(64, 32), (50, 27), (33, 48)])
@pytest.mark.parametrize(("count", "companies"), [(1, (2, 3, 7, 33)), (3, (7, 200)), (5, (200,))])
@pytest.mark.usefixtures("threads")
def test_int8_states_and_what_they_yield_have_the_same_bits_alone_and_in_any_company_on_any_number_of_threads(
    settings: DecoderSettings, encoder: int, prediction: int, count: int, companies: tuple[int, ...]
) -> None:
    """Also for sizes that no vector register divides, where an elementwise kernel ends its rows differently."""
    torch.set_num_threads(count)
    model = compile_checkpoint(tiny_checkpoint(5, config(encoder, prediction), blank_bias=-6.0), "int8")
    alone = LocalRunner(model, 1, settings)
    heard = run(alone, [0], 4)
    assert any(reading.tokens for row in heard for reading in (row.settled, *(h.tokens for h in row.hypotheses)))
    for company in companies:
        crowd = LocalRunner(model, company, settings)
        assert run(crowd, list(range(company)), 4) == heard
        assert_same(states_of(alone, 0), states_of(crowd, 0))


@pytest.mark.parametrize("settings", [GREEDY, BEAM], ids=["greedy", "beam"])
def test_a_reopened_slot_has_the_bits_of_one_that_was_never_used(settings: DecoderSettings) -> None:
    model = compile_checkpoint(tiny_checkpoint(), "int8")
    used, fresh = LocalRunner(model, 3, settings), LocalRunner(model, 3, settings)
    run(used, [1, 0, 2], 30)
    used.free(1)
    used.open(1, 9)
    fresh.open(1, 9)
    assert_same(states_of(used, 1), states_of(fresh, 1))
    assert run(used, [1, 0, 2], 10) == run(fresh, [1], 10)
    assert_same(states_of(used, 1), states_of(fresh, 1))


def test_streams_that_rest_are_not_touched_by_those_that_speak() -> None:
    runner = LocalRunner(compile_checkpoint(tiny_checkpoint(), "int8"), 4)
    run(runner, [0, 1, 2, 3], 5)
    before = {name: value.clone() for name, value in states_of(runner, 2).items()}
    run(runner, [0, 1, 3], 5)
    assert_same(states_of(runner, 2), before)
