"""Connections whose handshake never ends are bounded in number, and running out of descriptors stops nothing."""

import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from gharial_server.web.doorman import Doorman


class Door:
    """A doorman for at most three unfinished handshakes, and how often he had to drop one."""

    def __init__(self) -> None:
        self.dropped = 0
        with socket.create_server(("127.0.0.1", 0)) as port:
            self.doorman = Doorman(port, self.drop, most=3)
        self.doorman.setblocking(False)
        self.address = self.doorman.getsockname()

    def drop(self) -> None:
        self.dropped += 1

    def arrive(self) -> tuple[socket.socket, socket.socket]:
        """A client's side and ours."""
        client = socket.create_connection(self.address, timeout=5)
        return client, self.doorman.accept()[0]


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    yield made
    made.doorman.close()


def is_dropped(client: socket.socket) -> bool:
    client.settimeout(0.05)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False


def test_the_oldest_unfinished_handshake_goes_when_there_are_too_many(door: Door) -> None:
    arrived = [door.arrive() for _ in range(5)]
    assert [is_dropped(client) for client, _ in arrived] == [True, True, False, False, False]
    assert door.dropped == 2


def test_a_stream_is_none_of_them_any_more(door: Door) -> None:
    client, ours = door.arrive()
    door.doorman.finished(ours.fileno())
    others = [door.arrive() for _ in range(4)]
    assert not is_dropped(client)
    assert [is_dropped(other) for other, _ in others] == [True, False, False, False]


def test_what_is_closed_makes_room_without_anybody_being_dropped(door: Door) -> None:
    for _ in range(20):
        client, ours = door.arrive()
        client.close()
        ours.close()
    assert door.dropped == 0


def test_without_descriptors_a_connection_is_sent_away_at_once(door: Door) -> None:
    clients = [socket.create_connection(door.address, timeout=5) for _ in range(2)]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
    filling = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                filling.append(socket.socket())
        with pytest.raises(BlockingIOError):
            door.doorman.accept()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for each in filling:
            each.close()
    assert is_dropped(clients[0])
    assert door.doorman.accept()[0].getpeername() == clients[1].getsockname()
