"""Where an utterance ends, by the model's token and by silence."""

import pytest
import torch
from gharial_asr.decoding.words import WordBuilder
from gharial_asr.emissions import NO_TOKENS, Hypothesis, Row, Tokens
from gharial_asr.endpointing import EOS_PIECE, Endpointer, EndpointSettings, EosMode
from gharial_asr.inference.eos_logits import EosLogits
from hypothesis import given
from hypothesis import strategies as st

PIECES = (" one", " two", EOS_PIECE, "s")
EOS = 2
FRAME = 0.06


def run(frame: int, *tokens: int) -> Tokens:
    return Tokens(tokens, (frame,) * len(tokens), (0.5,) * len(tokens))


def greedy(frame: int, *tokens: int) -> Row:
    return Row(run(frame, *tokens), ())


def endpointer(mode: EosMode = "classic", silence: float | None = None) -> Endpointer:
    return Endpointer(PIECES, FRAME, EndpointSettings(mode, silence_seconds=silence))


def test_classic_leaves_the_token_out_of_what_is_settled_and_of_hypotheses() -> None:
    ends = endpointer("classic")
    row = Row(run(0, 0, EOS, 1), (Hypothesis(-1.0, run(0, EOS, 3)), Hypothesis(-2.0, run(0, EOS))))
    assert ends.step(row) == Row(run(0, 0, 1), (Hypothesis(-1.0, run(0, 3)), Hypothesis(-2.0, NO_TOKENS)))
    assert ends.endpoint is None


def test_stream_shows_the_token_and_goes_on() -> None:
    ends = endpointer("stream")
    rows = [greedy(0, 0, EOS), greedy(1, 1)]
    assert [ends.step(row) for row in rows] == rows
    assert ends.endpoint is None


def test_terminal_ends_with_the_token_and_nothing_comes_after_it() -> None:
    ends = endpointer("terminal")
    assert ends.step(greedy(0, 0)) == greedy(0, 0)
    assert ends.step(greedy(1, 1, EOS, 0)) == greedy(1, 1, EOS)
    assert ends.endpoint == "eos"
    assert ends.step(greedy(2, 1)) == Row(NO_TOKENS, ())


def test_terminal_waits_until_beam_search_has_settled_the_token() -> None:
    ends = endpointer("terminal")
    open_row = Row(NO_TOKENS, (Hypothesis(-1.0, run(0, EOS)), Hypothesis(-2.0, run(0, 1))))
    assert ends.step(open_row) == open_row
    assert ends.endpoint is None
    assert ends.step(Row(run(0, EOS), (Hypothesis(-1.0, run(1, 1)),))) == Row(run(0, EOS), ())
    assert ends.endpoint == "eos"


def test_silence_counts_from_the_last_token_and_never_before_the_first() -> None:
    ends = endpointer(silence=0.6)
    for frame in range(100):
        ends.step(greedy(frame))
    ends.step(greedy(100, 0))
    for frame in range(101, 110):
        ends.step(greedy(frame))
        assert ends.endpoint is None
    ends.step(greedy(110))
    assert ends.endpoint == "silence"


def test_a_word_within_the_time_keeps_the_stream() -> None:
    ends = endpointer(silence=0.6)
    for frame in range(60):
        ends.step(greedy(frame, 0) if frame % 10 == 0 else greedy(frame))
    assert ends.endpoint is None


def test_silence_waits_for_beam_search_to_settle() -> None:
    ends = endpointer(silence=0.3)
    for _ in range(20):
        ends.step(Row(NO_TOKENS, (Hypothesis(-1.0, run(0, 0)), Hypothesis(-2.0, NO_TOKENS))))
    assert ends.endpoint is None
    ends.step(Row(run(0, 0), (Hypothesis(-1.0, NO_TOKENS),)))
    assert ends.endpoint == "silence"


@given(st.lists(st.lists(st.integers(0, 3), max_size=3), max_size=30))
def test_without_endpointing_a_model_without_the_token_is_left_alone(frames: list[list[int]]) -> None:
    ends = Endpointer((" one", " two", " three", "s"), FRAME)
    rows = [greedy(frame, *tokens) for frame, tokens in enumerate(frames)]
    assert [ends.step(row) for row in rows] == rows


def test_a_word_ends_at_the_token_which_is_in_no_word() -> None:
    words = WordBuilder(PIECES, FRAME)
    text, ended = words.add(Tokens((0, 3, EOS, 1), (0, 1, 1, 4), (0.9, 0.9, 0.1, 0.8)))
    assert text == " ones<EOS> two"
    assert [(word.text, word.confidence) for word in (*ended, *words.finish())] == [
        ("ones", pytest.approx(0.9)),
        ("two", pytest.approx(0.8)),
    ]


@pytest.mark.parametrize(
    ("mode", "multiplier", "threshold", "silence", "remedy"),
    [
        ("later", 1.0, 0.0, None, "give one of classic, stream, terminal"),
        ("terminal", 0.0, 0.0, None, "a multiplier above 0"),
        ("terminal", 1.0, 1.0, None, "a threshold from 0 to below 1"),
        ("classic", 2.0, 0.0, None, "for the mode terminal only"),
        ("classic", 1.0, 0.0, 0.1, "give 0.3 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    mode: EosMode, multiplier: float, threshold: float, silence: float | None, remedy: str
) -> None:
    with pytest.raises(ValueError, match=remedy):
        EndpointSettings(mode, multiplier, threshold, silence)


@pytest.mark.parametrize("mode", ["stream", "terminal"])
def test_modes_that_need_the_token_refuse_a_model_without_it(mode: EosMode) -> None:
    with pytest.raises(ValueError, match="the model has no <EOS> token, which the endpointing mode"):
        Endpointer((" one", "s"), FRAME, EndpointSettings(mode))


@pytest.mark.parametrize(("multiplier", "threshold"), [(1.0, 0.0), (2.0, 0.0), (0.5, 0.0), (1.0, 0.2), (1.5, 0.05)])
def test_the_tokens_probability_is_changed_as_documented_and_no_other(multiplier: float, threshold: float) -> None:
    torch.manual_seed(0)
    logits_BC = torch.randn(64, 5) * 3
    changed_BC = EosLogits(lambda x_BK: x_BK.clone(), EOS, EndpointSettings("terminal", multiplier, threshold))(
        logits_BC
    )
    probability_B = logits_BC.softmax(1)[:, EOS] ** multiplier
    expected_B = torch.where(probability_B < threshold, 0.0, probability_B)
    torch.testing.assert_close((changed_BC[:, EOS] - logits_BC.logsumexp(1)).exp(), expected_B)
    others = [0, 1, 3, 4]
    assert torch.equal(changed_BC[:, others], logits_BC[:, others])
    if threshold:
        assert bool((expected_B == 0).any()) and bool((expected_B > 0).any())
