"""The server's side of one stream, without sockets: messages in, answers out, one Close at the end.

    LISTENING --end of audio--> FINISHING --closing answer--> CLOSED
        any phase --text frame, failure--> CLOSED

Whatever comes after the end of audio is ignored; nothing goes out after the closing answer.
"""

import enum
from collections.abc import Sequence

from gharial_wire.answers import Word, encode_answer
from gharial_wire.audio import SAMPLE_RATE, SampleJoiner
from gharial_wire.closing import DONE, TEXT_FRAME, Close, bad_audio
from gharial_wire.formats.errors import FormatError
from gharial_wire.formats.feed import Feed
from gharial_wire.pauses import PAUSE, PauseFinder
from gharial_wire.request import StreamRequest

# Times are floats: an interval below this is empty.
_HALF_A_SAMPLE = 0.5 / SAMPLE_RATE


class Phase(enum.Enum):
    """Where a stream stands."""

    LISTENING = "listening"
    FINISHING = "finishing"
    CLOSED = "closed"


class EndOfAudio(enum.Enum):
    """What stands between samples: the client's empty binary frame, or its wish to have what is pending made final."""

    END = "end"
    FLUSH = "flush"


END = EndOfAudio.END
FLUSH = EndOfAudio.FLUSH
# The text message that asks for a flush, and what an answer to it says.
FLUSH_MESSAGE = b"flush"
FLUSHED = "flush"


class ServerStream:
    """Decides what each message means and which answers may still go out."""

    def __init__(self, request: StreamRequest, feed: Feed | None = None) -> None:
        """feed: decodes the messages; without one they are in the model's own format."""
        self.phase = Phase.LISTENING
        self.tells_words = request.words
        self._pauses = None if request.pauses is None else PauseFinder(request.pauses)
        self._alternatives = request.alternatives
        self._joiner = SampleJoiner()
        self._feed = feed
        self._may_flush = request.flush
        self._has_ended = False
        self._close: Close | None = None
        self.is_unsettled = feed is not None
        """Whether there may be more to do than messages and answers: a Close to send, something left to decode."""

    @property
    def close(self) -> Close | None:
        """The Close to send, once there is one; the first reason stands."""
        return self._close

    @property
    def is_listening(self) -> bool:
        """Whether audio is still expected."""
        return self.phase is Phase.LISTENING

    @property
    def has_more(self) -> bool:
        """Whether `more` has something to give: audio in another format than the model's is decoded piece by piece."""
        if self._feed is None or self.phase is Phase.CLOSED:
            return False
        return not self._feed.is_empty or (self.phase is Phase.FINISHING and not self._has_ended)

    def receive_binary(self, message: bytes) -> bytes | EndOfAudio:
        """Takes one binary message: whole samples to decode (S16LE, possibly none), or END, which comes once.

        Audio that does not decode ends the stream. When `has_more` is true, call `more` as soon as there is room.
        """
        if self.phase is not Phase.LISTENING:
            return b""
        if not message:
            self.phase = Phase.FINISHING
            if self._feed is None:
                return END
            self._feed.end()
        elif self._feed is None:
            return self._joiner.push(message)
        else:
            self._feed.push(message)
        return self.more()

    def more(self) -> bytes | EndOfAudio:
        """Further samples (S16LE, possibly none) of the messages that have come, or END behind the last of them."""
        if not self.has_more:
            return b""
        assert self._feed is not None
        try:
            if not self._feed.is_empty:
                samples = self._feed.take()
                return samples if samples or not self._feed.passed_mark() else FLUSH
        except FormatError as error:
            self.end(bad_audio(str(error)))
            return b""
        self._has_ended = True
        return END

    def receive_text(self, message: bytes) -> bytes | EndOfAudio:
        """Takes a text message: FLUSH where the client may ask for that, otherwise an error while audio is expected.

        Like a binary message it may bring samples first, and FLUSH with `more`.
        """
        if self.phase is not Phase.LISTENING:
            return b""
        if not self._may_flush or message != FLUSH_MESSAGE:
            self.end(TEXT_FRAME)
            return b""
        if self._feed is None:
            return FLUSH
        self._feed.mark()
        return self.more()

    def answer(
        self,
        start: float,
        end: float,
        is_provisional: bool,
        alternatives: Sequence[tuple[str, float]],
        closing: bool = False,
        endpoint: str | None = None,
        words: Sequence[Sequence[Word]] | None = None,
    ) -> str | None:
        """The message for one answer of the recogniser, or None when nothing may or need go out.

        start, end: seconds since the stream began; alternatives: (transcript, confidence), best first. The
        closing answer ends the stream; it is silent when the audio ended on a frame's border and no text is
        left, so that a stream has one answer per 60 ms begun. endpoint: what ended the stream, if not the client.
        words: of each alternative, where `tells_words`.
        """
        if self.phase is Phase.CLOSED:
            return None
        chosen = alternatives[: self._alternatives]
        if closing:
            self.end(DONE)
            if end - start < _HALF_A_SAMPLE and not any(transcript for transcript, _ in chosen):
                return None
        elif self._pauses is not None and self._pauses.is_over(end, is_provisional, chosen[0][0] if chosen else ""):
            endpoint = PAUSE
        return encode_answer(start, end, is_provisional, chosen, endpoint, words)

    def end(self, close: Close) -> None:
        """Ends the stream with this Close, unless it has ended already."""
        if self.phase is not Phase.CLOSED:
            self.phase = Phase.CLOSED
            self._close = close
            self.is_unsettled = True
