"""Over a seam with a decoder that settles late: beam search says the same as greedy, only later."""

from gharial_asr.decoding.lane_words import Vocabulary
from gharial_asr.decoding.passage import LaneSaid, Passage
from gharial_asr.decoding.seam import Seam
from gharial_asr.emissions import NO_TOKENS, Hypothesis, Row, Tokens
from hypothesis import example, given, settings
from hypothesis import strategies as st

PIECES = (" no", " six", " sev", "en")
SEAM = 150


def run(*said: tuple[int, int]) -> Tokens:
    return Tokens(tuple(token for token, _ in said), tuple(at for _, at in said), tuple(0.5 for _ in said))


def open_row(settled: Tokens, *hypotheses: Tokens) -> Row:
    return Row(settled, tuple(Hypothesis(-float(place), tokens) for place, tokens in enumerate(hypotheses)))


def test_what_the_old_lane_had_open_is_settled_at_the_seam_and_the_new_lane_waits_for_its_own() -> None:
    old = run((0, 140), (1, 148))
    new = LaneSaid()
    new.add(open_row(run((0, 141)), run((1, 149)), run((0, 149))))
    passage = Passage(Seam(Vocabulary(PIECES), 100, SEAM, old), run((1, 148)), new)

    # Both of the new lane's hypotheses hold a token from before the seam: nothing of it is settled yet.
    row = passage.send(open_row(NO_TOKENS, run((1, 149), (2, 150)), run((0, 149), (2, 150))), 150)
    assert row.settled == run((1, 148))
    assert [hypothesis.tokens for hypothesis in row.hypotheses] == [run((2, 150)), run((2, 150))]

    row = passage.send(open_row(run((1, 149)), run((2, 150), (3, 151)), run((2, 150))), 151)
    assert row.settled == NO_TOKENS
    assert [hypothesis.tokens for hypothesis in row.hypotheses] == [run((2, 150), (3, 151)), run((2, 150))]
    assert passage.over


def test_a_word_that_is_due_is_left_out_of_partials_and_of_what_is_settled() -> None:
    old = run((0, 140), (1, 148))
    new = LaneSaid()
    new.add(open_row(run((0, 141)), NO_TOKENS))
    passage = Passage(Seam(Vocabulary(PIECES), 100, SEAM, old), NO_TOKENS, new)
    row = passage.send(open_row(NO_TOKENS, run((1, 151)), NO_TOKENS), 151)
    assert row == open_row(NO_TOKENS, NO_TOKENS, NO_TOKENS)
    row = passage.send(open_row(run((1, 151)), run((1, 153)), NO_TOKENS), 153)
    assert row == open_row(NO_TOKENS, run((1, 153)), NO_TOKENS)
    row = passage.send(open_row(run((1, 153)), NO_TOKENS), 154)
    assert row.settled == run((1, 153))
    assert passage.over


def over_the_seam(old: Tokens, new: Tokens, delay: int) -> list[int]:
    """What is sent of the new lane when its tokens are settled so many frames after they were said."""
    before = [at for at, frame in enumerate(new.frames) if frame < SEAM]
    settled = len([at for at in before if new.frames[at] < SEAM - delay])
    said = LaneSaid()
    said.add(open_row(new.part(0, settled), new.part(settled, len(before))))
    passage = Passage(Seam(Vocabulary(PIECES), 100, SEAM, old), NO_TOKENS, said)
    sent: list[int] = []
    for frame in range(SEAM, SEAM + 80):
        heard = len([at for at in new.frames if at <= frame])
        until = len([at for at in new.frames if at <= frame - delay])
        row = passage.send(open_row(new.part(settled, until), new.part(until, heard)), frame)
        settled = until
        sent += row.settled.tokens
    return sent


def lane(begin: int, end: int) -> st.SearchStrategy[Tokens]:
    """Some tokens between two frames, in order."""
    said = st.lists(st.tuples(st.integers(begin, end), st.integers(0, 3)), max_size=8)
    return said.map(lambda tokens: run(*((token, frame) for frame, token in sorted(tokens, key=lambda each: each[0]))))


@settings(max_examples=200, deadline=None)
@given(lane(SEAM - 14, SEAM - 1), lane(SEAM - 14, SEAM + 12), st.integers(1, 21))
@example(run((1, 148)), run((1, 151)), 21)
def test_settling_late_changes_nothing_of_what_is_sent(old: Tokens, new: Tokens, delay: int) -> None:
    assert over_the_seam(old, new, delay) == over_the_seam(old, new, 0)
