"""How a stream ends: close codes and their reasons.

The CAIMAN-ASR documentation puts 400 and 503 into the Close frame, but RFC 6455 knows no such codes. A stream
that can be refused beforehand is refused by HTTP; one that fails later is closed with a legal code, and its
reason begins with the documented number.
"""

from dataclasses import dataclass

# A Close frame holds 125 bytes, two of them for the code.
MAX_REASON_BYTES = 123


@dataclass(frozen=True)
class Close:
    """A WebSocket close code (RFC 6455 section 7.4) with its reason (at most 123 bytes of UTF-8)."""

    code: int
    reason: str = ""

    def __post_init__(self) -> None:
        if len(self.reason.encode()) > MAX_REASON_BYTES:
            raise ValueError(f"a close reason holds at most {MAX_REASON_BYTES} bytes; shorten {self.reason!r}")


DONE = Close(1000, "")
TEXT_FRAME = Close(1003, "400 a text frame came; send audio in binary frames, and an empty binary frame at the end")
TOO_LARGE = Close(1009, "400 a message is larger than 1 MiB; send smaller ones, best 1920 bytes (60 ms)")
IDLE = Close(1008, "400 no audio came for too long; end a stream with an empty binary frame")
SLOW_READER = Close(1008, "400 answers were not read for too long; read while sending")
FAILED = Close(1011, "500 the recogniser failed; connect again and send on from the last final answer")
RESTARTING = Close(1012, "503 the server is restarting; connect again and send on from the last final answer")


def bad_audio(what: str) -> Close:
    """The audio does not decode: invalid payload. what: a FormatError's words."""
    return Close(1007, f"400 {what}; send what content_type says")


# What a client may cure by connecting again; everything else would only happen again.
RETRYABLE_CODES = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1014})
