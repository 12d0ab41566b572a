"""Messages on their way through a decoder, a bounded piece of work at a time.

Sockets of many streams share one thread, so no message may keep it long: neither one that holds minutes of audio in a
few bytes, nor one that holds thousands of empty parts. What is left waits, and the socket is not read meanwhile.
"""

from collections import deque
from collections.abc import Iterator
from typing import Protocol

from gharial_wire.audio import SAMPLE_BYTES, SAMPLE_RATE

# A piece of work ends when it has read or made so much; one packet more may come with it.
PIECE_BYTES = 16384
PIECE_SECONDS = 1.0
# Messages are never empty.
_MARK = b""


class Decoder(Protocol):
    """One stream's decoder. Iterators are used up one after the other; they raise FormatError.

    It works only as far as its iterator is asked: however much audio a small message holds (silence compresses a
    thousandfold), nothing is decoded before somebody has room for it.
    """

    def feed(self, message: bytes) -> Iterator[bytes]:
        """S16LE samples, 16 kHz mono, in pieces of at most some seconds; possibly none."""

    def flush(self) -> Iterator[bytes]:
        """What is left at the end of the audio."""


class Feed:
    """One stream's messages in, S16LE samples (16 kHz, mono) out."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._messages: deque[bytes] = deque()
        self._at = 0
        self._work: Iterator[bytes] | None = None
        self._ended = False
        self._passed_mark = False

    @property
    def is_empty(self) -> bool:
        """Whether everything that came has been taken."""
        return self._work is None and not self._messages and not self._ended

    def push(self, message: bytes) -> None:
        """Takes a message of any length."""
        self._messages.append(message)

    def mark(self) -> None:
        """Sets a mark behind what has come: the samples of later messages are not taken together with earlier ones."""
        self._messages.append(_MARK)

    def passed_mark(self) -> bool:
        """Whether the last `take` has come to a mark; says so once."""
        passed, self._passed_mark = self._passed_mark, False
        return passed

    def end(self) -> None:
        """No message follows: what the decoder holds comes out last."""
        self._ended = True

    def take(self) -> bytes:
        """The samples of the next piece of work, possibly none. Raises FormatError."""
        made: list[bytes] = []
        wanted, left = int(PIECE_SECONDS * SAMPLE_RATE) * SAMPLE_BYTES, PIECE_BYTES
        while wanted > 0:
            if self._work is None:
                if left <= 0:
                    break
                if self._messages and not self._messages[0]:
                    if not made:
                        self._messages.popleft()
                        self._passed_mark = True
                    break
                piece = self._next(left)
                left -= len(piece)
                if piece:
                    self._work = self._decoder.feed(piece)
                elif self._ended:
                    self._ended = False
                    self._work = self._decoder.flush()
                else:
                    break
            samples = next(self._work, None)
            if samples is None:
                self._work = None
            else:
                made.append(samples)
                wanted -= len(samples)
        return b"".join(made)

    def _next(self, most: int) -> bytes:
        """The next bytes that wait, at most so many; nothing when none do."""
        if not self._messages:
            return b""
        message = self._messages[0]
        piece = message[self._at : self._at + most]
        self._at += len(piece)
        if self._at == len(message):
            self._messages.popleft()
            self._at = 0
        return piece
