"""Tokens to words with times and confidence."""

import itertools
import math

import pytest
from gharial_asr.decoding.words import WordBuilder, confidence
from gharial_asr.emissions import Tokens
from gharial_wire.answers import Word
from hypothesis import given
from hypothesis import strategies as st

PIECES = (" a", "b", " ", " cd", "", "e")
TOKENS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, len(PIECES) - 1), st.floats(0, 1)), max_size=30)


@given(st.lists(st.floats(0, 1), max_size=20))
def test_confidence_lies_between_nought_and_one(probabilities: list[float]) -> None:
    assert 0 <= confidence(probabilities) <= 1


def test_confidence_is_the_geometric_mean_and_one_for_nothing() -> None:
    assert confidence([0.25, 1.0]) == pytest.approx(0.5)
    assert confidence([]) == 1.0


@given(TOKENS)
def test_words_are_the_transcript_split_at_spaces_however_tokens_fall_into_frames(
    steps: list[tuple[int, int, float]],
) -> None:
    builder = WordBuilder(PIECES, 0.06)
    words: list[Word] = []
    text, frame = "", 0
    for skipped, token, probability in steps:
        frame += skipped
        added, ended = builder.add(Tokens((token,), (frame,), (probability,)))
        text += added
        words += ended
    words += builder.finish()
    assert [word.text for word in words] == text.split()
    assert all(0 <= word.start < word.end <= 0.06 * (frame + 1) + 1e-9 for word in words)
    assert all(before.start <= after.start for before, after in itertools.pairwise(words))


def test_a_word_spans_the_frames_of_its_tokens() -> None:
    builder = WordBuilder(PIECES, 0.06)
    builder.add(Tokens((0,), (3,), (0.5,)))
    builder.add(Tokens((1,), (5,), (0.5,)))
    _, ended = builder.add(Tokens((3,), (9,), (1.0,)))
    (word,) = ended
    assert (word.text, word.confidence) == ("ab", pytest.approx(0.5))
    assert math.isclose(word.start, 0.18)
    assert math.isclose(word.end, 0.36)
