"""Messages on the link: each a length, a kind and a body.

front end -> engine: OPEN, FEED. engine -> front end: HELLO once, then EVENTS and STEP.
"""

import enum
import marshal
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

HEADER = struct.Struct("<II")
COUNT = struct.Struct("<I")
# In place of a length in FEED: the stream's audio has ended, or the stream is dropped.
FINISH, CLOSE = 0, 0xFFFFFFFF
# Set in a length in FEED: the samples are float32, not int16.
FLOAT = 0x80000000

_READ_BYTES = 1 << 18


class Kind(enum.IntEnum):
    """What a message is."""

    HELLO = 1
    OPEN = 2
    FEED = 3
    EVENTS = 4
    STEP = 5


def packed(kind: Kind, content: Any) -> bytes:
    """A message whose body is plain data (numbers, strings, tuples). Both ends are processes of one server, started by
    it with one interpreter: so marshal, the fastest there is, is safe here."""
    body = marshal.dumps(content)
    return HEADER.pack(len(body), kind) + body


def feed_message(entries: Sequence[int], payloads: Sequence[bytes]) -> list[bytes]:
    """A FEED as the buffers to send. entries: stream, length, stream, length, …; the payloads of those lengths follow
    one another."""
    size = COUNT.size + 4 * len(entries) + sum(map(len, payloads))
    head = struct.pack(f"<III{len(entries)}I", size, Kind.FEED, len(entries) // 2, *entries)
    return [head, *payloads]


def feed_entries(body: memoryview) -> tuple[Iterable[tuple[int, int]], int]:
    """(stream, length) of each entry of a FEED, and where the first payload begins in the body."""
    (count,) = COUNT.unpack_from(body)
    flat = struct.unpack_from(f"<{2 * count}I", body, COUNT.size)
    return zip(flat[::2], flat[1::2], strict=True), COUNT.size + 8 * count


class Inbox:
    """Cuts what comes out of the link into messages."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._buffer = bytearray(_READ_BYTES)
        self._filled = 0

    def read(self) -> Iterator[tuple[Kind, memoryview]]:
        """Reads once and yields what has become complete. A body is valid until the next one is asked for.

        Raises EOFError when the other end is gone, BlockingIOError when a socket that does not wait has nothing.
        """
        try:
            came = self._link.recv_into(memoryview(self._buffer)[self._filled :])
        except ConnectionResetError:
            came = 0
        if not came:
            raise EOFError("the other end of the link is gone")
        self._filled += came
        return self._cut()

    def _cut(self) -> Iterator[tuple[Kind, memoryview]]:
        view, at, needed = memoryview(self._buffer), 0, HEADER.size
        while self._filled - at >= HEADER.size:
            size, kind = HEADER.unpack_from(view, at)
            needed = HEADER.size + size
            if self._filled - at < needed:
                break
            yield Kind(kind), view[at + HEADER.size : at + needed]
            at, needed = at + needed, HEADER.size
        self._keep(view[at : self._filled], needed)

    def _keep(self, rest: memoryview, needed: int) -> None:
        """Moves what is not complete to the beginning; makes room for all of it."""
        buffer = self._buffer if needed <= len(self._buffer) else bytearray(needed + _READ_BYTES)
        buffer[: len(rest)] = bytes(rest)
        self._buffer, self._filled = buffer, len(rest)
