"""The server's side of a stream, without sockets."""

import json
from itertools import pairwise

import pytest
from gharial_wire.answers import AnswerError, Word, decode_answer, encode_answer
from gharial_wire.audio import SampleJoiner
from gharial_wire.closing import DONE, FAILED, MAX_REASON_BYTES, TEXT_FRAME, Close
from gharial_wire.request import StreamRequest
from gharial_wire.stream import END, FLUSH, ServerStream
from hypothesis import given
from hypothesis import strategies as st

NOTHING = [("", 1.0)]


@given(st.binary(max_size=4000), st.lists(st.integers(0, 4000), max_size=30))
def test_messages_cut_anywhere_give_the_same_whole_samples(audio: bytes, cuts: list[int]) -> None:
    borders = [0, *sorted(min(cut, len(audio)) for cut in cuts), len(audio)]
    joiner = SampleJoiner()
    pieces = [joiner.push(audio[a:b]) for a, b in pairwise(borders)]
    assert all(len(piece) % 2 == 0 for piece in pieces)
    assert b"".join(pieces) == audio[: len(audio) // 2 * 2]


def test_an_answer_has_the_documented_form() -> None:
    assert json.loads(encode_answer(0.0, 2.0, False, [("hello world", 1.0)])) == {
        "start": 0.0,
        "end": 2.0,
        "is_provisional": False,
        "alternatives": [{"transcript": "hello world", "confidence": 1.0}],
    }


def test_an_answer_without_alternatives_still_has_an_empty_one() -> None:
    assert json.loads(encode_answer(0, 0.06, True, []))["alternatives"] == [{"transcript": "", "confidence": 1.0}]


@given(
    st.floats(0, 1e6),
    st.floats(0, 1e6),
    st.booleans(),
    st.lists(st.tuples(st.text(), st.floats(0, 1)), min_size=1, max_size=4),
)
def test_every_answer_is_valid_json_and_reads_back(
    start: float, end: float, provisional: bool, alternatives: list[tuple[str, float]]
) -> None:
    answer = decode_answer(encode_answer(start, end, provisional, alternatives))
    assert [a.transcript for a in answer.alternatives] == [transcript for transcript, _ in alternatives]
    assert answer.is_provisional is provisional
    assert abs(answer.start - start) <= 0.00051
    assert abs(answer.alternatives[0].confidence - alternatives[0][1]) <= 0.00005


def test_words_are_told_to_who_asks_and_read_back() -> None:
    words = [[Word("seven", 0.36, 0.6, 0.97)], []]
    text = encode_answer(0.3, 0.6, False, [(" seven", 0.9), (" eleven", 0.1)], None, words)
    assert json.loads(text)["alternatives"] == [
        {
            "transcript": " seven",
            "confidence": 0.9,
            "words": [{"word": "seven", "start": 0.36, "end": 0.6, "confidence": 0.97}],
        },
        {"transcript": " eleven", "confidence": 0.1, "words": []},
    ]
    assert [list(alternative.words) for alternative in decode_answer(text).alternatives] == words
    assert json.loads(encode_answer(0, 0.06, False, [], None, []))["alternatives"][0]["words"] == []


def answers_of(stream: ServerStream, told: list[tuple[bool, str]]) -> list[str | None]:
    """The endpoints in the answers to (is_provisional, transcript), one per 60 ms."""
    texts = [stream.answer(0, 0.06 * (n + 1), partial, [(text, 1.0)]) for n, (partial, text) in enumerate(told)]
    return [json.loads(text or "{}").get("endpoint") for text in texts]


def test_a_pause_is_told_once_after_each_utterance_and_the_stream_goes_on() -> None:
    silence = [(False, "")] * 7
    told = [*silence, (False, " seven"), *silence, *silence, (False, " no"), *silence]
    stream = ServerStream(StreamRequest(pauses=0.3))
    endpoints = answers_of(stream, told)
    assert [n for n, endpoint in enumerate(endpoints) if endpoint == "pause"] == [7 + 5, 22 + 5]
    assert stream.close is None
    assert answers_of(ServerStream(StreamRequest()), told) == [None] * len(told)


def test_a_partial_that_stays_the_same_or_becomes_final_is_no_new_word() -> None:
    told = [
        (True, " seven"),
        *[(True, " seven eight")] * 3,
        (False, " seven"),
        (True, " eight"),
        *[(True, " eight")] * 3,
    ]
    endpoints = answers_of(ServerStream(StreamRequest(pauses=0.3)), told)
    assert endpoints.index("pause") == 6


def test_leading_spaces_are_kept() -> None:
    assert decode_answer(encode_answer(0, 1, False, [(" seven", 0.9)])).transcript == " seven"


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"start": 0, "end": 1, "is_provisional": false}', "hello",
                                  '{"start": 0, "end": 1, "is_provisional": false, "alternatives": []}'])  # fmt: skip
def test_what_is_no_answer_is_said_to_be_none(text: str) -> None:
    with pytest.raises(AnswerError, match="answer"):
        decode_answer(text)


def test_the_closing_answer_ends_the_stream_and_nothing_follows_it() -> None:
    stream = ServerStream(StreamRequest())
    assert stream.receive_binary(b"\0" * 100) == b"\0" * 100
    assert stream.receive_binary(b"") is END
    closing = stream.answer(0.0, 0.003, False, [(" seven", 1.0)], closing=True)
    assert closing is not None
    assert decode_answer(closing).transcript == " seven"
    assert stream.close == DONE
    assert stream.answer(0.06, 0.12, False, NOTHING) is None


def test_audio_that_ends_on_a_frames_border_with_no_text_left_has_no_further_answer() -> None:
    stream = ServerStream(StreamRequest())
    assert stream.receive_binary(b"") is END
    assert stream.answer(0.0, 0.0, False, NOTHING, closing=True) is None
    assert stream.close == DONE


def test_text_left_at_a_frames_border_is_still_sent() -> None:
    stream = ServerStream(StreamRequest())
    assert stream.answer(0.06, 0.06, False, [(" no", 1.0)], closing=True) is not None


def test_a_second_end_and_audio_or_text_behind_the_end_are_ignored() -> None:
    stream = ServerStream(StreamRequest())
    assert stream.receive_binary(b"") is END
    assert stream.receive_binary(b"") == b""
    assert stream.receive_binary(b"\0\0") == b""
    stream.receive_text(b"hello")
    assert stream.close is None


def test_a_text_message_closes_with_a_reason_that_tells_what_to_send() -> None:
    stream = ServerStream(StreamRequest())
    stream.receive_text(b"hello")
    assert stream.close == TEXT_FRAME
    assert stream.close.code == 1003
    assert stream.close.reason.startswith("400 ")
    assert stream.receive_binary(b"\0\0") == b""


def test_a_flush_is_asked_for_by_a_text_message_where_the_request_allows_it() -> None:
    stream = ServerStream(StreamRequest(flush=True))
    assert stream.receive_text(b"flush") is FLUSH
    assert stream.close is None
    stream.receive_binary(b"")
    assert stream.receive_text(b"flush") == b""
    for request, message in ((StreamRequest(), b"flush"), (StreamRequest(flush=True), b"Flush")):
        stream = ServerStream(request)
        assert stream.receive_text(message) == b""
        assert stream.close == TEXT_FRAME


def test_the_first_close_stands() -> None:
    stream = ServerStream(StreamRequest())
    stream.end(FAILED)
    stream.end(DONE)
    assert stream.close == FAILED


def test_no_more_alternatives_go_out_than_were_asked_for() -> None:
    three = [(" a", 0.9), (" b", 0.5), (" c", 0.1)]
    for asked, sent in ((1, 1), (2, 2), (5, 3)):
        text = ServerStream(StreamRequest(alternatives=asked)).answer(0, 0.06, True, three)
        assert text is not None
        assert len(decode_answer(text).alternatives) == sent


def test_a_close_reason_that_fits_no_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="shorten"):
        Close(1011, "x" * (MAX_REASON_BYTES + 1))


@given(st.lists(st.one_of(st.binary(max_size=9), st.just("text"), st.just(None)), max_size=40))
def test_whatever_comes_in_any_order_there_is_one_end_and_one_close(steps: list[bytes | str | None]) -> None:
    """None stands for an answer of the engine, which closes once the audio has ended."""
    stream, ends, answers_after_close = ServerStream(StreamRequest()), 0, 0
    closes = []
    for step in steps:
        if isinstance(step, bytes):
            ends += stream.receive_binary(step) is END
        elif isinstance(step, str):
            stream.receive_text(b"hello")
        else:
            closed = stream.close is not None
            text = stream.answer(0, 0.06, False, NOTHING, closing=ends == 1)
            answers_after_close += closed and text is not None
        closes.append(stream.close)
    assert ends <= 1
    assert answers_after_close == 0
    assert len({close for close in closes if close is not None}) <= 1
