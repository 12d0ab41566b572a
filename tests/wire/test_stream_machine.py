"""Every order of what clients and the recogniser may do to a stream, and what holds after each step."""

import json

from gharial_wire.audio import SAMPLE_RATE
from gharial_wire.closing import DONE, FAILED, IDLE, TEXT_FRAME, Close
from gharial_wire.request import StreamRequest
from gharial_wire.stream import END, Phase, ServerStream
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

FRAME_SECONDS = 0.06


class StreamMachine(RuleBasedStateMachine):
    """A model beside the stream: bytes that count, answers that went out, the first reason to close."""

    @initialize(alternatives=st.integers(1, 3), words=st.booleans())
    def begins(self, alternatives: int, words: bool) -> None:
        self.stream = ServerStream(StreamRequest(alternatives=alternatives, words=words))
        self.alternatives = alternatives
        self.audio = b""
        self.samples = b""
        self.ends = 0
        self.answered = 0.0
        self.close: Close | None = None
        self.has_ended = False

    @rule(message=st.binary(min_size=1, max_size=9))
    def audio_comes(self, message: bytes) -> None:
        listening = self.close is None and not self.has_ended
        got = self.stream.receive_binary(message)
        assert got is not END
        self.samples += got
        self.audio += message if listening else b""

    @rule()
    def the_end_of_audio_comes(self) -> None:
        first = self.close is None and not self.has_ended
        got = self.stream.receive_binary(b"")
        assert (got is END) == first
        self.has_ended |= first

    @rule()
    def a_text_frame_comes(self) -> None:
        self.stream.receive_text(b"hello")
        if self.close is None and not self.has_ended:
            self.close = TEXT_FRAME

    @rule(close=st.sampled_from([FAILED, IDLE]))
    def the_server_gives_up(self, close: Close) -> None:
        self.stream.end(close)
        self.close = self.close or close

    @rule(provisional=st.booleans(), texts=st.lists(st.text(max_size=5), max_size=4))
    def an_answer_is_there(self, provisional: bool, texts: list[str]) -> None:
        end = self.answered + FRAME_SECONDS
        told = self.stream.answer(self.answered, end, provisional, [(text, 0.5) for text in texts])
        assert (told is None) == (self.close is not None)
        if told is not None:
            self.check(told, texts, provisional)
            self.answered = end

    @precondition(lambda self: self.has_ended)
    @rule(text=st.sampled_from(["", " word"]), samples=st.integers(0, 959))
    def the_closing_answer_is_there(self, text: str, samples: int) -> None:
        end = self.answered + samples / SAMPLE_RATE
        told = self.stream.answer(self.answered, end, False, [(text, 0.9)], closing=True)
        assert (told is None) == (self.close is not None or (samples == 0 and not text))
        if told is not None:
            self.check(told, [text], False)
        self.close = self.close or DONE

    def check(self, told: str, texts: list[str], provisional: bool) -> None:
        """An answer has the documented form, its best readings, and one where there is none."""
        fields = json.loads(told)
        assert fields["is_provisional"] is provisional
        said = [each["transcript"] for each in fields["alternatives"]]
        assert said == (texts[: self.alternatives] or [""])

    @invariant()
    def samples_are_whole_in_order_and_at_once(self) -> None:
        assert self.samples == self.audio[: len(self.audio) // 2 * 2]

    @invariant()
    def the_first_reason_to_close_stands(self) -> None:
        assert self.stream.close == self.close
        assert (self.stream.phase is Phase.CLOSED) == (self.close is not None)
        assert self.stream.is_listening == (self.close is None and not self.has_ended)


TestStreamMachine = StreamMachine.TestCase
TestStreamMachine.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
