"""Word errors are counted as documented, on texts normalised as documented."""

import math

import pytest
from gharial_training.scoring.text import normalise_for_scoring
from gharial_training.scoring.wer import WordErrors, count_errors, total_errors
from hypothesis import given
from hypothesis import strategies as st

WORDS = st.lists(st.sampled_from("abc"), max_size=8)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [
        ("one two three", "one two three", WordErrors(0, 0, 0, 3)),
        ("one two three", "one three", WordErrors(0, 1, 0, 3)),
        ("one two three", "one two two three", WordErrors(0, 0, 1, 3)),
        ("one two three", "one too three", WordErrors(1, 0, 0, 3)),
        ("", "one", WordErrors(0, 0, 1, 0)),
        ("one two", "", WordErrors(0, 2, 0, 2)),
        ("no no no", "no no", WordErrors(0, 1, 0, 3)),
    ],
)
def test_errors_are_counted_by_kind(reference: str, hypothesis: str, errors: WordErrors) -> None:
    assert count_errors(reference.split(), hypothesis.split()) == errors


def test_words_heard_in_silence_count_as_insertions_and_add_no_reference_word() -> None:
    errors = total_errors([("", "one two"), ("three", "three")])
    assert errors == WordErrors(0, 0, 2, 1)
    assert math.isnan(total_errors([("", "")]).rate)


def _distance(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    if not a or not b:
        return len(a) + len(b)
    return min(_distance(a[1:], b) + 1, _distance(a, b[1:]) + 1, _distance(a[1:], b[1:]) + (a[0] != b[0]))


@given(st.lists(st.sampled_from("abc"), max_size=5), st.lists(st.sampled_from("abc"), max_size=5))
def test_the_count_is_the_edit_distance(reference: list[str], hypothesis: list[str]) -> None:
    assert count_errors(reference, hypothesis).errors == _distance(tuple(reference), tuple(hypothesis))


@given(WORDS, WORDS)
def test_insertions_and_deletions_explain_the_difference_in_length(reference: list[str], hypothesis: list[str]) -> None:
    errors = count_errors(reference, hypothesis)
    assert errors.insertions - errors.deletions == len(hypothesis) - len(reference)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("Uh, it's  the COLOUR", "it is the color"),
        ("won't can't let's", "will not can not let us"),
        ("mr smith <noise> said [laughs] okay", "mister smith said ok"),
        ("seven seven seven", "seven seven seven"),
        ("he 's here", "he is here"),
    ],
)
def test_both_sides_are_written_alike(text: str, normalised: str) -> None:
    assert normalise_for_scoring(text) == normalised


@given(st.text(alphabet="abc '<>.", max_size=30))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise_for_scoring(text)
    assert normalise_for_scoring(once) == once
