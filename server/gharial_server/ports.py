"""The three listening sockets of a server: for streams, for operations, and for whole recordings."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from gharial_server.settings import Settings

# Connections that may wait in the kernel to be accepted.
BACKLOG = 1024


@dataclass(frozen=True)
class Ports:
    """Open sockets."""

    streams: socket.socket
    http: socket.socket
    api: socket.socket


@contextlib.contextmanager
def open_ports(settings: Settings) -> Iterator[Ports]:
    """Opens all ports (0 takes a free one); raises OSError naming the remedy when one is taken."""
    with (
        _listen(settings.host, settings.port, "--port") as streams,
        _listen(settings.host, settings.http_port, "--http-port") as http,
        _listen(settings.host, settings.api_port, "--api-port") as api,
    ):
        yield Ports(streams, http, api)


def _listen(host: str, port: int, option: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise OSError(f"port {port} cannot be opened on {host}: {error.strerror}; choose another {option}") from error
