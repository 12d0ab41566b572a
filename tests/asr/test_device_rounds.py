"""Decoding in rounds of fixed size against the loop that asks in between, on random networks."""

import pytest
import torch
from gharial_asr.compilation import compile_checkpoint
from gharial_asr.config import NetworkConfig, RnntConfig, TokenizerConfig
from gharial_asr.decoding.greedy import decode_greedy
from gharial_asr.device.rounds import Rounds, round_places
from gharial_asr.inference.network import Network
from gharial_asr.state import Prediction, Recurrence
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import PIECES, tiny_checkpoint

HERE = torch.device("cpu")
CONFIG = RnntConfig(
    rnnt=NetworkConfig(enc_n_hid=8, enc_post_rnn_layers=1, pred_n_hid=16, pred_rnn_layers=2, joint_n_hid=24),
    tokenizer=TokenizerConfig(vocab_size=PIECES),
)


def states(rows: int, generator: torch.Generator) -> Prediction:
    hidden, cell = (torch.randn(2, rows, 16, generator=generator).tanh() for _ in range(2))
    return Prediction(Recurrence(hidden, cell), torch.randn(rows, 24, generator=generator))


@given(
    seed=st.integers(0, 10_000),
    batch=st.sampled_from([1, 2, 7, 31, 33, 64, 150, 260]),
    blank_bias=st.floats(-10, 20),
    live=st.floats(0, 1),
    launch=st.lists(st.integers(1, 70), min_size=1, max_size=6),
)
# The same examples each time: among 60,000 choices of a class, two could be as good as each other but for rounding.
@settings(max_examples=60, deadline=None, derandomize=True)
def test_rounds_find_what_the_loop_finds_whatever_is_said_and_whatever_their_sizes(
    seed: int, batch: int, blank_bias: float, live: float, launch: list[int]
) -> None:
    model = compile_checkpoint(tiny_checkpoint(seed, CONFIG, blank_bias), "float32")
    network, generator = Network(CONFIG, model.weights), torch.Generator().manual_seed(seed)
    f_BJ = torch.randn(batch, 24, generator=generator) * 3
    live_B = torch.rand(batch, generator=generator) < live
    with torch.inference_mode():
        before = states(batch + 1, generator)
        expected_state = before.gather(torch.arange(batch))
        rounds = Rounds(network, batch, HERE)
        rounds.begin(f_BJ, live_B, before)
        launches = 1
        while rounds.go_on(launch):
            launches += 1
        rows = live_B.nonzero().squeeze(1)
        state = expected_state.gather(rows)
        decoded = decode_greedy(network, f_BJ[rows], state)
    counts_B = torch.zeros(batch, dtype=torch.long).index_copy_(0, rows, decoded.counts)
    assert torch.equal(rounds.counts_R[:-1], counts_B)
    assert rounds.counts_R[-1] == 0
    said = torch.arange(rounds.tokens_RM.shape[1]) < rounds.counts_R[:, None]
    assert torch.equal(rounds.tokens_RM[said].long(), decoded.tokens)
    assert torch.allclose(rounds.probabilities_RM[said], decoded.probabilities, atol=1e-5)
    found = rounds.networks().gather(rows)
    assert torch.allclose(found.projected, state.projected, atol=1e-4)
    assert torch.allclose(found.recurrence.cell, state.recurrence.cell, atol=1e-4)
    silent = (~live_B).nonzero().squeeze(1)
    assert torch.equal(rounds.networks().gather(silent).projected, expected_state.gather(silent).projected)
    # One row's tokens take a round each.
    assert launches * len(launch) >= int(counts_B.max())


@pytest.mark.parametrize(
    ("batch", "places"),
    [
        (1, (1, 1)),
        (8, (8, 8, 8)),
        (32, (32, 32, 32, 32)),
        (512, (128, 32, 32, 32, 32)),
        (4096, (1024, 205, 41, 32, 32, 32, 32)),
    ],
)
def test_a_launch_has_the_places_that_speech_needs(batch: int, places: tuple[int, ...]) -> None:
    assert round_places(batch) == places
