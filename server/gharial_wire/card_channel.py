"""The card protocol over a connected Unix socket, blocking."""

import contextlib
import socket
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from gharial_wire.card_protocol import (
    HEADER,
    HIGHEST_VERSION,
    LOWEST_VERSION,
    CardError,
    Code,
    Hello,
    Message,
    Refusal,
    Welcome,
    decode,
    decode_header,
    encode,
)

Answer = TypeVar("Answer", bound=Message)


class CardChannel:
    """Sends and receives whole messages. Both ends use it; one thread at a time."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    @classmethod
    def connect(cls, path: Path, timeout_seconds: float | None) -> "CardChannel":
        """A channel to the card behind a socket. Raises OSError that names the remedy."""
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connected.settimeout(timeout_seconds)
        try:
            connected.connect(str(path))
        except OSError as error:
            connected.close()
            raise OSError(f"no card answers at {path} ({error}); is the card up, and mounted into this pod?") from error
        return cls(connected)

    def __enter__(self) -> "CardChannel":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; a thread that waits in `receive` is woken."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def set_timeout(self, seconds: float | None) -> None:
        """How long sending and receiving may take from now on."""
        self._socket.settimeout(seconds)

    def send(self, message: Message) -> None:
        """Sends one message. Raises OSError."""
        self._socket.sendall(encode(message))

    def receive(self) -> Message | None:
        """The next message, or None when the other end has closed. Raises MalformedMessageError, OSError."""
        first = self._socket.recv(HEADER.size)
        if not first:
            return None
        size, kind = decode_header(first + self._read(HEADER.size - len(first)))
        return decode(kind, self._read(size))

    def ask(self, request: Message, *answers: type[Answer]) -> Answer:
        """Sends a request and returns its answer, of one of the types given. Raises CardError, OSError."""
        self.send(request)
        answer = self.receive()
        if isinstance(answer, answers):
            return answer
        if isinstance(answer, Refusal):
            raise CardError(_code(answer.code), answer.explanation)
        if answer is None:
            raise ConnectionError("the card closed the connection; it may have lost power")
        raise ConnectionError(f"the card answered {type(answer).__name__} to {type(request).__name__}")

    def hello(self, name: str) -> Welcome:
        """Settles the version and learns what the card is; the first request. Raises CardError, OSError."""
        return self.ask(Hello(LOWEST_VERSION, HIGHEST_VERSION, name), Welcome)

    def _read(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        parts: list[bytes] = []
        while size:
            part = self._socket.recv(min(size, 1 << 20))
            if not part:
                raise ConnectionError("the connection ended in the middle of a message")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def _code(number: int) -> Code:
    """A newer card may refuse for reasons that we do not know: its explanation still says which."""
    return Code(number) if number in set(Code) else Code.FAILED
