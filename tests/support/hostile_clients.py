"""Clients that mean harm, as a process of their own: `python hostile_clients.py ATTACK PORT`, until it is ended.

They speak raw bytes, so that no library keeps them from anything. Prints a line once the attack is under way.
"""

import contextlib
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

HEAD = (
    b"GET /asr/v0.1/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
BINARY, TEXT, PING = 2, 1, 9
Attack = Callable[[int], Iterator[None]]


def frame(kind: int, payload: bytes, fin: bool = True) -> bytes:
    """A masked frame; the mask is zero."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = b"\xfe" + struct.pack(">H", size)
    else:
        length = b"\xff" + struct.pack(">Q", size)
    return bytes([(0x80 if fin else 0) | kind]) + length + bytes(4) + payload


def dial(port: int) -> socket.socket:
    """A connection without handshake."""
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def stream(port: int) -> socket.socket:
    """A connection whose handshake is done."""
    link = dial(port)
    link.sendall(HEAD)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += link.recv(4096) or b"\r\n\r\n"
    return link


def flood(port: int, data: bytes) -> Iterator[None]:
    """Two streams that send this as fast as the server reads it; one that is closed is opened again."""
    left = {stream(port): b"" for _ in range(2)}
    while True:
        readable, writable, _ = select.select(left, left, [], 0.05)
        for link in {*readable, *writable}:
            try:
                if link in readable and not link.recv(1 << 20):
                    raise ConnectionResetError
                if link in writable:
                    rest = left[link] or data
                    left[link] = rest[link.send(rest, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                continue
            except OSError:
                del left[link]
                link.close()
                left[stream(port)] = b""
        yield


def tiny_messages(port: int) -> Iterator[None]:
    """Messages of one byte."""
    yield from flood(port, frame(BINARY, b"\0") * 2000)


def tiny_fragments(port: int) -> Iterator[None]:
    """One message in fragments of one byte."""
    yield from flood(port, frame(BINARY, b"", fin=False) + frame(0, b"\0", fin=False) * 2000)


def pings(port: int) -> Iterator[None]:
    """Nothing but pings."""
    yield from flood(port, frame(PING, b"x") * 2000)


def long_messages(port: int) -> Iterator[None]:
    """Messages of nearly 1 MiB, as fast as they are read."""
    yield from flood(port, frame(BINARY, bytes((1 << 20) - 2)))


def too_long_messages(port: int) -> Iterator[None]:
    """Messages beyond the limit."""
    yield from flood(port, frame(BINARY, bytes(1 << 21)))


def unfinished_handshakes(port: int) -> Iterator[None]:
    """Connections that say half of what they should, many a second."""
    kept = []
    while True:
        for _ in range(20):
            with contextlib.suppress(OSError):
                kept.append(dial(port))
                kept[-1].sendall(HEAD[:-10])
        for old in kept[:-3000]:
            old.close()
        del kept[:-3000]
        time.sleep(0.01)
        yield


def header_bombs(port: int) -> Iterator[None]:
    """Handshakes with a megabyte of headers."""
    while True:
        with dial(port) as link, contextlib.suppress(OSError):
            link.sendall(HEAD[:-2] + b"X-Bomb: x\r\n" * 90_000)
            link.recv(100)
        yield


def coming_and_going(port: int) -> Iterator[None]:
    """Streams that are dropped as soon as they are open."""
    while True:
        stream(port).close()
        yield


def silent_readers(port: int) -> Iterator[None]:
    """Streams that send a lot and read nothing."""
    links = []
    for _ in range(8):
        links.append(stream(port))
        links[-1].setblocking(False)
    second = frame(BINARY, bytes(32_000))
    while True:
        for link in links:
            with contextlib.suppress(OSError):
                link.send(second)
        time.sleep(0.005)
        yield


ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        tiny_messages,
        tiny_fragments,
        pings,
        long_messages,
        too_long_messages,
        unfinished_handshakes,
        header_bombs,
        coming_and_going,
        silent_readers,
    )
}

if __name__ == "__main__":
    for turn, _ in enumerate(ATTACKS[sys.argv[1]](int(sys.argv[2]))):
        if turn == 5:
            print("under way", flush=True)
