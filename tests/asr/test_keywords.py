"""Keyword boosting against a slow, obvious account of what a text has earned."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from gharial_asr.decoding.boosting import Booster
from gharial_asr.decoding.keyword_automaton import Automaton, compile_keywords
from gharial_asr.keywords import Keywords, check_characters, checked, read_keywords
from gharial_asr.tokenizer import Tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from spelling import Spelt
from tiny_models import tiny_tokenizer

PIECES = (" a", "b", " ab", "c", " c", "ba", "a")
CLASSES = len(PIECES) + 1
BLANK = CLASSES - 1


SPELT = Spelt(PIECES)


@dataclass(frozen=True)
class Account:
    """earned: by phrases said in full. advance: for the longest one under way, of so many tokens."""

    earned: float
    advance: float
    tokens: int


def account(keywords: Keywords, said: list[int]) -> Account:
    """What tokens have earned, by looking everywhere."""
    total, sequences = 0.0, [(way, boost) for text, boost in keywords for way in SPELT.spellings(text)]
    for end in range(1, len(said) + 1):
        for way, boost in sequences:
            if tuple(said[max(0, end - len(way)) : end]) == way:
                total += boost * sum(len(PIECES[token]) for token in way)
    for begin in range(len(said)):
        under_way = tuple(said[begin:])
        boosts = [boost for way, boost in sequences if len(way) > len(under_way) and way[: len(under_way)] == under_way]
        if boosts or under_way in [way for way, _ in sequences]:
            characters = sum(len(PIECES[token]) for token in under_way)
            return Account(total, max([*boosts, 0.0]) * characters, len(under_way))
    return Account(total, 0.0, 0)


PHRASES = st.dictionaries(
    st.sampled_from(["a", "ab", "aba", "abc", "c", "ab c", "c ab", "aba c", "ca", "a a a"]),
    st.sampled_from([-1.0, 0.5, 1.0, 2.0]),
    min_size=1,
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(PHRASES, st.lists(st.integers(0, len(PIECES) - 1), max_size=10))
def test_gains_add_up_to_what_the_text_has_earned(phrases: dict[str, float], said: list[int]) -> None:
    keywords = checked(phrases)
    booster = Booster(2, CLASSES)
    booster.assign(1, compile_keywords(keywords, SPELT))
    slot_1, state_1, before = torch.tensor([1]), torch.tensor([0]), Account(0.0, 0.0, 0)
    for count, token in enumerate(said, 1):
        after, token_1 = account(keywords, said[:count]), torch.tensor([token])
        gain = after.earned + after.advance - before.earned - before.advance
        assert booster.gains(slot_1, state_1, token_1).item() == pytest.approx(gain)
        kept = 0.0 if after.tokens == before.tokens + 1 else before.advance
        every = booster.boosted(torch.zeros(1, CLASSES), slot_1, state_1)
        assert every[0, token].item() == pytest.approx(gain + kept)
        assert every[0, BLANK] == 0
        state_1, before = booster.next(slot_1, state_1, token_1), after


@settings(max_examples=50, deadline=None)
@given(PHRASES, PHRASES, st.integers(0, 2**30))
def test_rows_of_many_streams_gain_what_each_would_alone(
    first: dict[str, float], second: dict[str, float], seed: int
) -> None:
    lists: list[Automaton | None] = [compile_keywords(checked(each), SPELT) for each in (first, second)]
    lists.insert(1, None)
    together = Booster(4, CLASSES)
    for slot, automaton in enumerate(lists):
        together.assign(slot, automaton)
    together.assign(3, lists[0])
    generator = torch.Generator().manual_seed(seed)
    slots_R = torch.randint(0, 4, (9,), generator=generator)
    sizes = [1 if each is None else len(each.advance) for each in (*lists, lists[0])]
    states_R = torch.tensor(
        [int(torch.randint(0, sizes[slot], (1,), generator=generator)) for slot in slots_R.tolist()]
    )
    logits_RK = torch.randn(9, CLASSES, generator=generator)
    tokens_R = torch.randint(0, BLANK, (9,), generator=generator)
    found_RK = together.boosted(logits_RK, slots_R, states_R)
    gains_R, next_R = together.gains(slots_R, states_R, tokens_R), together.next(slots_R, states_R, tokens_R)
    for row, slot in enumerate(slots_R.tolist()):
        alone, one = Booster(1, CLASSES), slice(row, row + 1)
        alone.assign(0, [*lists, lists[0]][slot])
        here = torch.tensor([0]), states_R[one]
        assert torch.equal(found_RK[one], alone.boosted(logits_RK[one], *here))
        assert torch.equal(gains_R[one], alone.gains(*here, tokens_R[one]))
        assert torch.equal(next_R[one], alone.next(*here, tokens_R[one]))


def test_without_keywords_the_logits_stay_the_very_same() -> None:
    booster, logits_RK = Booster(2, CLASSES), torch.zeros(1, CLASSES)
    here = (torch.tensor([0]), torch.tensor([0]))
    assert booster.idle
    assert booster.boosted(logits_RK, *here) is logits_RK
    booster.assign(1, compile_keywords((("ab", 1.0),), SPELT))
    assert booster.boosted(logits_RK, *here) is logits_RK
    booster.assign(1, None)
    assert booster.idle


def test_every_likely_spelling_of_a_phrase_counts() -> None:
    tokenizer = tiny_tokenizer()
    ways = tokenizer.spellings("seven words")
    assert ways[0] == tuple(tokenizer.encode("seven words"))
    assert len(ways) == len(set(ways)) > 1
    assert {tokenizer.decode(way) for way in ways} == {"seven words"}


def test_a_phrase_that_the_model_cannot_write_is_named() -> None:
    with pytest.raises(ValueError, match="the model cannot write 'Zoë'; spell it as transcripts are spelt"):
        tiny_tokenizer().spellings("Zoë")
    with pytest.raises(ValueError, match="keyword 'Zoë' has 'Z', 'ë', which the model never writes"):
        check_characters((("Zoë", 1.0),), tiny_tokenizer().pieces)
    check_characters((("seven words", 1.0),), tiny_tokenizer().pieces)


@pytest.mark.parametrize(
    ("phrases", "remedy"),
    [
        ({"  ": 1.0}, "has 0 characters; give 1 to 100"),
        ({"x" * 101: 1.0}, "has 101 characters"),
        ({"a b": 1.0, "a  b": 2.0}, "'a b' is given twice"),
        ({"a": 0.0}, "give -10 to 10 and not 0"),
        ({"a": math.nan}, "give -10 to 10 and not 0"),
        ({"a": 11.0}, "give -10 to 10 and not 0"),
        ({f"w{i}": 1.0 for i in range(501)}, "501 keywords; give at most 500"),
    ],
)
def test_keywords_that_cannot_be_are_refused(phrases: dict[str, float], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        checked(phrases)


def test_a_file_of_keywords_has_the_documented_form(tmp_path: Path) -> None:
    path = tmp_path / "keywords.json"
    text = json.dumps({"keywords": {"gharial": 1, " long  nose ": -0.5}})
    path.write_text(text)
    assert read_keywords(str(path)) == read_keywords(text) == (("gharial", 1.0), ("long nose", -0.5))
    for text in ("{}", "[1]", "no JSON", '{"keywords": {"a": "much"}}', '{"keywords": ["a"]}'):
        path.write_text(text)
        with pytest.raises(ValueError, match="keywords"):
            read_keywords(str(path))


def test_five_hundred_phrases_compile_into_flat_arrays() -> None:
    tokenizer: Tokenizer = tiny_tokenizer()
    words = [
        "the",
        "quick",
        "brown",
        "fox",
        "jumps",
        "over",
        "lazy",
        "dog",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
    ]
    phrases = checked({f"{a} {b}": 1.0 for a in words for b in words})
    automaton = compile_keywords(phrases, tokenizer)
    assert len(automaton.starts) == len(automaton.advance) + 1
    assert automaton.starts[-1] == len(automaton.tokens) == len(automaton.gains)
    assert automaton.targets.max() < len(automaton.advance)
