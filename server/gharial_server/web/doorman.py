"""The listening socket of the streams, which bounds what has not yet become one.

A connection costs memory from its first byte, and a client may never finish its handshake. The WebSocket library drops
it after some seconds; here is the bound in number. When it is reached the oldest unfinished one goes: honest clients
finish within a round trip, so a flood has to be as large as the bound within that time to reach them.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Callable

MOST_UNFINISHED = 2048
# Connections that are accepted before other streams have their turn.
MOST_AT_ONCE = 32


class Doorman(socket.socket):
    """A listening socket that knows which of its connections have not finished their handshake."""

    def __init__(self, port: socket.socket, dropped: Callable[[], None], most: int = MOST_UNFINISHED) -> None:
        """Listens beside `port`, which stays the caller's. dropped: called for each connection that had to go."""
        super().__init__(port.family, port.type, port.proto, fileno=os.dup(port.fileno()))
        self._dropped = dropped
        self._most = most
        self._unfinished: dict[int, socket.socket] = {}
        # One descriptor in hand: with none left, nobody could even be told to go away.
        self._spare = os.open(os.devnull, os.O_RDONLY)

    def accept(self) -> tuple[socket.socket, object]:
        """The next connection. Raises BlockingIOError when there is none, or none can be had."""
        try:
            connection, address = super().accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._send_away()
                raise BlockingIOError from error
            raise
        if len(self._unfinished) >= self._most:
            self._make_room()
        self._unfinished.pop(connection.fileno(), None)  # of an earlier connection, in its place in the order
        self._unfinished[connection.fileno()] = connection
        return connection, address

    def finished(self, descriptor: int) -> None:
        """The handshake of the connection with this descriptor is over."""
        self._unfinished.pop(descriptor, None)

    def close(self) -> None:
        """Listens no more."""
        if self.fileno() >= 0:
            os.close(self._spare)
        super().close()

    def _make_room(self) -> None:
        """Forgets what is closed by now; without any, the oldest goes."""
        self._unfinished = {at: each for at, each in self._unfinished.items() if each.fileno() == at}
        if len(self._unfinished) >= self._most:
            oldest = self._unfinished.pop(next(iter(self._unfinished)))
            with contextlib.suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)
            self._dropped()

    def _send_away(self) -> None:
        """Takes the next connection with the last descriptor and drops it; it would be announced for ever otherwise."""
        os.close(self._spare)
        with contextlib.suppress(OSError):
            super().accept()[0].close()
            self._dropped()
        self._spare = os.open(os.devnull, os.O_RDONLY)
