"""The parts of beam search: choosing candidates, fuzzy logits, text hashes, one hypothesis per text."""

import math

import numpy as np
import pytest
import torch
from gharial_asr.decoding.beam.candidates import GROUP, Chooser, fuzzy_logits, largest
from gharial_asr.decoding.beam.entries import best_distinct
from gharial_asr.decoding.beam.text_hash import TextHash
from gharial_asr.decoding.settings import DecoderSettings
from hypothesis import given, settings
from hypothesis import strategies as st

SIZES = st.sampled_from([3, 8, 9, 255, 256, 1024, 1031, 8704])


def logits(seed: int, rows: int, classes: int) -> torch.Tensor:
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed)) * 3


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), SIZES, st.integers(1, 5))
def test_the_largest_in_two_rounds_are_the_largest(seed: int, rows: int, classes: int, count: int) -> None:
    x_RK = logits(seed, rows, classes)
    count = min(count, classes)
    values, places = largest(x_RK, count)
    expected = x_RK.topk(count, 1)
    assert torch.equal(values, expected.values)
    assert torch.equal(places, expected.indices)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), SIZES)
def test_fuzzy_logits_are_the_maxima_of_eight_neighbours_and_the_blank(seed: int, classes: int) -> None:
    x_RK = logits(seed, 2, classes)
    values, places = fuzzy_logits(x_RK.clone())
    for row in range(2):
        said = x_RK[row].tolist()
        groups = [said[: classes - 1][at : at + GROUP] for at in range(0, classes - 1, GROUP)]
        assert values[row, : len(groups)].tolist() == [max(group) for group in groups]
        assert values[row, len(groups) : -1].tolist() == [-math.inf] * (values.shape[1] - 1 - len(groups))
        assert values[row, -1] == said[-1]
        assert places[row, -1] == classes - 1
        assert [said[k] for k in places[row, : len(groups)]] == [max(group) for group in groups]


def test_8704_classes_become_1088_candidates_and_the_blank() -> None:
    assert fuzzy_logits(logits(0, 1, 8704))[0].shape == (1, 1089)


def test_fuzzy_loses_only_tokens_with_a_better_neighbour() -> None:
    x_1K = torch.full((1, 65), -9.0)
    x_1K[0, [0, 7, 8, 64]] = torch.tensor([2.0, 1.9, 1.8, 1.0])
    exact = Chooser(4, 1.0, 1.5, fuzzy=False).choose(x_1K.clone())
    fuzzy = Chooser(4, 1.0, 1.5, fuzzy=True).choose(x_1K.clone())

    def tokens(scores: torch.Tensor, found: torch.Tensor) -> list[int]:
        return found[scores > -math.inf].tolist()

    assert tokens(exact.scores_RC, exact.tokens_RC) == [0, 7, 8]
    assert tokens(fuzzy.scores_RC, fuzzy.tokens_RC) == [0, 8]
    # What is not sent is missing from the sum: the others are a little more probable than they are.
    assert fuzzy.blank_R > exact.blank_R
    missing = math.log(1 - math.exp(exact.scores_RC[0, 1]) - 56 * math.exp(float(exact.blank_R) - 10.0))
    assert float(fuzzy.blank_R - exact.blank_R) == pytest.approx(-missing, abs=1e-3)


def test_the_blank_survives_a_larger_neighbour_in_fuzzy_logits() -> None:
    x_1K = torch.zeros(1, 16)
    x_1K[0, 14] = 5.0
    found = Chooser(2, 1.0, 9.0, fuzzy=True).choose(x_1K.clone())
    assert math.isfinite(float(found.blank_R))


def test_candidates_are_the_best_within_the_threshold_without_the_blank() -> None:
    x_1K = torch.tensor([[0.0, 4.0, 3.0, 2.4, 3.9, 1.0, 3.5]])
    found = Chooser(4, 1.0, 1.5, fuzzy=False).choose(x_1K.clone())
    assert found.tokens_RC[found.scores_RC > -math.inf].tolist() == [1, 4, 2]
    assert float(found.blank_R) == pytest.approx(float(x_1K.log_softmax(1)[0, -1]))


def test_temperature_divides_the_logits() -> None:
    x_1K = torch.tensor([[0.0, 2.0, 1.0]])
    found = Chooser(1, 1.4, 1.5, fuzzy=False).choose(x_1K.clone())
    assert float(found.scores_RC) == pytest.approx(float((x_1K / 1.4).log_softmax(1)[0, 1]))


@given(st.lists(st.text("ab é", max_size=4), min_size=1, max_size=6), st.data())
def test_texts_have_one_hash_however_they_are_divided(pieces: list[str], data: st.DataObject) -> None:
    hashes = TextHash(pieces)
    runs = [data.draw(st.lists(st.integers(0, len(pieces) - 1), max_size=8)) for _ in range(2)]

    def hashed(tokens: list[int]) -> int:
        text = torch.zeros(1, dtype=torch.long)
        for token in tokens:
            text = hashes.append(text, torch.tensor([token]))
        return int(text)

    texts = ["".join(pieces[token] for token in tokens) for tokens in runs]
    assert (hashed(runs[0]) == hashed(runs[1])) == (texts[0] == texts[1])


@given(st.lists(st.tuples(st.floats(-20, 0), st.integers(0, 3)), min_size=1, max_size=9), st.integers(1, 5))
def test_one_hypothesis_per_text_has_the_sum_of_their_probabilities(
    columns: list[tuple[float, int]], count: int
) -> None:
    score_1C = torch.tensor([[score for score, _ in columns]], dtype=torch.float64)
    index, best = best_distinct(score_1C, torch.tensor([[text for _, text in columns]]), count)
    sums = {text: np.logaddexp.reduce([s for s, t in columns if t == text]) for _, text in columns}
    expected = sorted(sums.values(), reverse=True)[:count]
    assert best[0, : len(expected)].tolist() == pytest.approx(expected)
    for column, score in zip(index[0, : len(expected)].tolist(), expected, strict=True):
        assert sums[columns[column][1]] == pytest.approx(score)
        assert columns[column][0] == max(s for s, t in columns if t == columns[column][1])
    assert (best[0, len(expected) :] == -math.inf).all()


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"decoder": "best"}, "greedy, beam"), ({"beam_width": 0}, "1 to 16"), ({"temperature": 0.0}, "above 0")],
)
def test_settings_that_make_no_sense_are_refused_with_what_does(changes: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        DecoderSettings(**changes)  # type: ignore[arg-type]
