"""What a stream's steps become: finals, partials and the closing answer."""

import pytest
from gharial_asr.emissions import NO_TOKENS, Hypothesis, Row, Tokens
from gharial_asr.endpointing import EndpointSettings
from gharial_server.engine.transcript import Transcript

PIECES = (" one", " two", " too", "s")
FRAME = 0.06


def run(*tokens: tuple[int, int]) -> Tokens:
    """Tokens from (frame, token) pairs."""
    return Tokens(tuple(token for _, token in tokens), tuple(frame for frame, _ in tokens), tuple(0.5 for _ in tokens))


def beam(settled: Tokens, *readings: Tokens) -> Row:
    return Row(settled, tuple(Hypothesis(-float(i), reading) for i, reading in enumerate(readings)))


def seconds(*frames: int) -> list[float]:
    return [pytest.approx(FRAME * frame) for frame in frames]


def test_without_hypotheses_every_frame_is_one_final() -> None:
    transcript = Transcript(PIECES, FRAME)
    (empty,) = transcript.add(Row(NO_TOKENS, ()), closing=False)
    (spoken,) = transcript.add(Row(run((1, 0)), ()), closing=False)
    assert [empty.start, empty.end, spoken.start, spoken.end] == seconds(0, 1, 1, 2)
    assert not empty.is_provisional
    assert [empty.alternatives[0].transcript, spoken.alternatives[0].transcript] == ["", " one"]
    assert empty.alternatives[0].confidence == 1.0


def test_the_final_goes_before_the_partial_and_the_partial_begins_where_it_ends() -> None:
    transcript = Transcript(PIECES, FRAME, alternatives=4)
    transcript.add(beam(NO_TOKENS, run((0, 0)), run((0, 1))), closing=False)
    final, partial = transcript.add(beam(run((0, 0)), run((1, 1)), run((1, 2))), closing=False)
    assert [final.is_provisional, partial.is_provisional] == [False, True]
    assert [final.start, final.end, partial.start, partial.end] == seconds(0, 1, 1, 2)
    assert [a.transcript for a in final.alternatives] == [" one"]
    assert [a.transcript for a in partial.alternatives] == [" two", " too"]


def test_a_partial_has_no_more_readings_than_were_asked_for() -> None:
    transcript = Transcript(PIECES, FRAME, alternatives=2)
    (partial,) = transcript.add(beam(NO_TOKENS, run((0, 1)), run((0, 2)), run((0, 0))), closing=False)
    assert [a.transcript for a in partial.alternatives] == [" two", " too"]


def test_readings_that_endpointing_leaves_no_different_are_one() -> None:
    pieces = (*PIECES, "<EOS>")
    transcript = Transcript(pieces, FRAME, alternatives=3)
    row = beam(NO_TOKENS, run((0, 1)), run((0, 1), (0, 4)), run((0, 0), (0, 4)), run((0, 0)))
    (partial,) = transcript.add(row, closing=False)
    assert [a.transcript for a in partial.alternatives] == [" two", " one"]


def test_a_beam_without_words_gives_an_empty_partial_and_leaves_nothing_open() -> None:
    transcript = Transcript(PIECES, FRAME)
    (first,) = transcript.add(beam(NO_TOKENS, NO_TOKENS), closing=False)
    (second,) = transcript.add(beam(NO_TOKENS, NO_TOKENS), closing=False)
    assert first.is_provisional
    assert [a.transcript for a in first.alternatives] == [""]
    assert [first.start, first.end, second.start, second.end] == seconds(0, 1, 1, 2)


def test_the_last_frame_is_one_final_with_the_best_hypothesis() -> None:
    transcript = Transcript(PIECES, FRAME)
    transcript.add(beam(NO_TOKENS, run((0, 0)), NO_TOKENS), closing=False)
    (last,) = transcript.add(beam(run((0, 0)), run((1, 1)), run((1, 2))), closing=True)
    assert last.closing
    assert not last.is_provisional
    assert [last.start, last.end] == seconds(0, 2)
    assert [a.transcript for a in last.alternatives] == [" one two"]
    assert [word.text for word in last.alternatives[0].words] == ["one", "two"]


def test_an_end_after_the_last_frame_settles_the_hypothesis_that_was_shown_last() -> None:
    transcript = Transcript(PIECES, FRAME)
    transcript.add(beam(NO_TOKENS, run((0, 1)), run((0, 2))), closing=False)
    (last,) = transcript.close()
    assert last.closing
    assert [a.transcript for a in last.alternatives] == [" two"]
    assert [last.start, last.end] == seconds(0, 1)


def test_an_end_after_the_last_frame_with_nothing_open_is_empty_in_text_and_time() -> None:
    transcript = Transcript(PIECES, FRAME)
    transcript.add(beam(run((0, 1)), NO_TOKENS), closing=False)
    (last,) = transcript.close()
    assert last.start == last.end
    assert last.alternatives[0].transcript == ""


def test_finals_never_overlap_and_have_no_gap() -> None:
    transcript = Transcript(PIECES, FRAME)
    rows = [beam(NO_TOKENS, run((0, 0)), run((0, 1))), beam(NO_TOKENS, run((0, 0), (1, 3)), run((0, 0)))]
    rows += [beam(run((0, 0)), run((1, 3), (2, 1))), beam(run((1, 3)), run((2, 1))), beam(run((2, 1)), NO_TOKENS)]
    answers = [answer for row in rows for answer in transcript.add(row, closing=False)]
    finals = [answer for answer in answers if not answer.is_provisional]
    assert [final.start for final in finals] == [0.0, *(final.end for final in finals[:-1])]
    assert "".join(final.alternatives[0].transcript for final in finals) == " ones two"


def test_an_endpoint_closes_the_stream_and_says_why() -> None:
    transcript = Transcript(PIECES, FRAME, EndpointSettings(silence_seconds=0.3))
    transcript.add(Row(run((0, 0)), ()), closing=False)
    answers = [answer for _ in range(5) for answer in transcript.add(Row(NO_TOKENS, ()), closing=False)]
    assert [answer.closing for answer in answers] == [False] * 4 + [True]
    assert [answer.endpoint for answer in answers] == [None] * 4 + ["silence"]
    assert transcript.is_over
    assert [answers[-1].start, answers[-1].end] == seconds(5, 6)
    assert [word.text for word in answers[-1].alternatives[0].words] == ["one"]
