"""The seam of two lanes: whatever was said once comes out once, whatever was said twice comes out twice."""

import itertools
from dataclasses import dataclass

import pytest
from gharial_asr.decoding.lane_words import Vocabulary
from gharial_asr.decoding.seam import Seam
from gharial_asr.emissions import NO_TOKENS, Tokens
from gharial_asr.endpointing import EOS_PIECE
from hypothesis import given, settings
from hypothesis import strategies as st

PIECES = (" ", "s", "e", "v", "n", " sev", "en", " seven", " six", " no", " n", "o", " four", "teen", " one",
          " fourteen", "i", "x", "f", "u", "r", "t", " t", " to", "p", " ten", " a", " and", "nd", "d")  # fmt: skip
VOCABULARY = Vocabulary(PIECES)
WORDS = (" seven", " six", " no", " four", " fourteen", " to", " a", " and")
ANCHOR = " top"
START, SEAM = 100, 150


def spellings(word: str) -> list[tuple[str, ...]]:
    """Every way to spell a word with the pieces, those with a lone space too."""
    if not word:
        return [()]
    return [(piece, *rest) for piece in PIECES if word.startswith(piece) for rest in spellings(word[len(piece) :])]


def run(*said: tuple[str, int]) -> Tokens:
    """Tokens of (piece, frame)."""
    ids = tuple(PIECES.index(piece) for piece, _ in said)
    return Tokens(ids, tuple(frame for _, frame in said), tuple(0.5 for _ in said))


def between(tokens: Tokens, begin: int, end: int) -> Tokens:
    picked = [at for at, frame in enumerate(tokens.frames) if begin <= frame < end]
    return tokens.part(picked[0], picked[-1] + 1) if picked else NO_TOKENS


def text(tokens: Tokens) -> str:
    return "".join(PIECES[token] for token in tokens.tokens)


def stitch(old: Tokens, new: Tokens, start: int = START, seam: int = SEAM) -> Tokens:
    """What a client gets: the old lane up to the seam, and frame by frame what the new one adds."""
    before = between(old, 0, seam)
    added, expecting = Seam(VOCABULARY, start, seam, between(old, start, seam)).join(between(new, start, seam))
    sent = before + added
    for frame in range(seam, seam + 60):
        more, expecting = expecting.take(between(new, frame, frame + 1), frame)
        sent += more
    assert list(sent.frames) == sorted(sent.frames)
    return sent


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # Both lanes heard it before the seam; the second is another one.
        ([(" seven", 145)], [(" seven", 146), (" seven", 152)], " seven seven"),
        # The new lane says it late: the same one.
        ([(" seven", 148)], [(" seven", 151)], " seven"),
        # Late, and then truly again.
        ([(" seven", 148)], [(" seven", 151), (" seven", 160)], " seven seven"),
        ([(" no", 140), (" no", 144), (" no", 148)], [(" no", 141), (" no", 145), (" no", 151)], " no no no"),
        ([(" no", 140), (" no", 144)], [(" no", 140), (" no", 144), (" no", 149), (" no", 153)], " no no no no"),
        # So late that it is another one.
        ([(" no", 148)], [(" no", 158)], " no no"),
        # The old lane had not come to it, the new one had.
        ([(" six", 140)], [(" six", 141), (" seven", 149)], " six seven"),
        # The old lane was cut in the midst of a word.
        ([(" sev", 148)], [(" sev", 148), ("en", 151)], " seven"),
        ([(" sev", 148)], [(" sev", 151), ("en", 153)], " seven"),
        ([(" sev", 148)], [(" seven", 152)], " seven"),
        ([(" sev", 148)], [(" seven", 149)], " seven"),
        ([(" sev", 147), ("e", 149)], [(" sev", 147), ("en", 148)], " seven"),
        ([(" ", 149)], [(" seven", 151), (" six", 155)], " seven six"),
        # The new lane is in the midst of it at the seam, the old one through.
        ([(" seven", 148)], [(" sev", 149), ("en", 151), (" six", 153)], " seven six"),
        ([(" seven", 147), (" six", 149)], [(" sev", 149), ("en", 151), (" six", 153)], " seven six"),
        # A word and a longer one that begins like it.
        ([(" four", 148)], [(" four", 149), ("teen", 151)], " fourteen"),
        ([(" four", 148)], [(" four", 148), (" four", 151), ("teen", 152)], " four fourteen"),
        ([(" four", 148)], [(" four", 151), (" four", 155), ("teen", 156)], " four fourteen"),
        ([(" four", 148)], [(" fourteen", 152)], " fourteen"),
        # They differ before the seam: the old lane has the say, also over the rest of the word.
        ([(" six", 145)], [(" sev", 145), ("en", 151), (" no", 153)], " six no"),
        ([(" a", 120)], [(" and", 121)], " a"),
        # They differ across the seam: nothing is known to be said twice.
        ([(" six", 149)], [(" seven", 151)], " six seven"),
        ([(" four", 148)], [(" no", 151), (" four", 153)], " four no four"),
        # One of them heard nothing.
        ([], [(" six", 120), (" seven", 149), (" no", 155)], " seven no"),
        ([(" six", 120)], [], " six"),
        ([], [], ""),
    ],
)  # fmt: skip
def test_worked_examples(old: list[tuple[str, int]], new: list[tuple[str, int]], expected: str) -> None:
    assert text(stitch(run(*old), run(*new))) == expected


@dataclass(frozen=True)
class Said:
    """A word of the truth: when its first piece is due, how far its pieces are apart."""

    word: str
    frame: int
    apart: int


def emitted(said: list[Said], spelt: list[tuple[str, ...]], late: list[int], begin: int) -> Tokens:
    """A lane's tokens: each late by frames of its own, in order all the same; words before begin are missing."""
    tokens, at = [], 0
    offsets = itertools.cycle(late)
    for word, pieces in zip(said, spelt, strict=True):
        if word.frame < begin:
            continue
        for number, piece in enumerate(pieces):
            at = max(at, word.frame + min(number * word.apart, 3) + next(offsets))
            tokens.append((piece, at))
    return run(*tokens)


SPELLINGS = {word: spellings(word) for word in (*WORDS, ANCHOR)}


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[Said], Tokens, Tokens]:
    """A truth with one word of its own in the overlap's second half, and two lanes that say it in their own time."""
    frame, said, anchored = START - 20, [], False
    while frame < SEAM + 25:
        frame += draw(st.integers(1, 9))
        if not anchored and frame > (START + SEAM) // 2 + 4:
            anchored = True
            said.append(Said(ANCHOR, frame, draw(st.integers(0, 2))))
        else:
            said.append(
                Said(draw(st.sampled_from(WORDS[: draw(st.integers(1, len(WORDS)))])), frame, draw(st.integers(0, 2)))
            )
    lanes = []
    for begin in (0, START + draw(st.integers(-2, 12))):
        spelt = [draw(st.sampled_from(SPELLINGS[word.word])) for word in said]
        late = draw(st.lists(st.integers(0, 3), min_size=1, max_size=60))
        lanes.append(emitted(said, spelt, late, begin))
    return said, lanes[0], lanes[1]


@settings(max_examples=300, deadline=None)
@given(scenes())
def test_words_come_out_once_and_whole_however_the_lanes_differ_in_time_and_spelling(
    scene: tuple[list[Said], Tokens, Tokens],
) -> None:
    said, old, new = scene
    assert text(stitch(old, new)).split() == [word.word.strip() for word in said]


def test_every_short_truth_survives_every_small_delay_of_either_lane() -> None:
    """Three words of two kinds around the seam, each lane late by 0 or 3 frames at each of them: 512 scenes."""
    frames = (START + 30, SEAM - 4, SEAM - 1, SEAM + 3)
    for words in itertools.product((" no", " seven"), repeat=3):
        said = [Said(word, frame, 0) for word, frame in zip((ANCHOR, *words), frames, strict=True)]
        spelt = [(" to", "p"), *((word,) for word in words)]
        for late in itertools.product((0, 3), repeat=6):
            old, new = (emitted(said, spelt, [0, 0, *own], 0) for own in (late[:3], late[3:]))
            assert text(stitch(old, new)) == "".join((ANCHOR, *words)), (words, late)


@settings(max_examples=60, deadline=None)
@given(st.integers(7, 20), st.integers(0, 12), st.lists(st.integers(0, 3), min_size=9, max_size=20), st.integers(0, 16))
def test_the_same_word_over_and_over_is_counted_by_its_times(
    apart: int, phase: int, late: list[int], begin: int
) -> None:
    said = [Said(" no", frame, 0) for frame in range(START - 30 + phase, SEAM + 25, apart)]
    spelt = [(" no",)] * len(said)
    old, new = emitted(said, spelt, late, 0), emitted(said, spelt, late[3:], START + begin)
    assert text(stitch(old, new)) == " no" * len(said)


def test_the_end_of_an_utterance_is_said_once_too() -> None:
    ending = Vocabulary((" seven", EOS_PIECE))
    old = Tokens((0, 1), (140, 148), (0.5, 0.5))
    added, expecting = Seam(ending, START, SEAM, old).join(Tokens((0,), (141,), (0.5,)))
    assert added == NO_TOKENS
    assert expecting.take(Tokens((1, 0), (151, 155), (0.5, 0.5)), 155)[0].tokens == (0,)


def test_a_rest_that_no_pieces_spell_brings_the_whole_word() -> None:
    bare = Vocabulary((" sev", " seven"))
    one = Tokens((0,), (SEAM - 1,), (0.5,))
    _, expecting = Seam(bare, START, SEAM, one).join(NO_TOKENS)
    assert expecting.take(Tokens((1,), (SEAM + 1,), (0.5,)), SEAM + 1)[0].tokens == (1,)
