"""`gharial serve`: the parent of the front end's process and the engine's.

It holds what must outlive either: the listening sockets and the door between the two. A front end that dies comes back
on the same ports, with the model still loaded; an engine that dies comes back while clients are told so. Beyond that it
does nothing, so that there is nothing in it to fail.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator

from pydantic import TypeAdapter

from gharial_server.keeper import Keeper
from gharial_server.link.door import make_door
from gharial_server.ports import Ports, open_ports
from gharial_server.settings import Settings

log = logging.getLogger(__name__)


async def serve(settings: Settings, log_level: str = "info") -> None:
    """Runs the server until a signal has ended it. Raises RuntimeError or OSError when it cannot go on."""
    door_front, door_engine = make_door()
    with open_ports(settings) as ports, door_front, door_engine:
        port, http_port, api_port = (port.getsockname()[1] for port in (ports.streams, ports.http, ports.api))
        log.info("started", extra={"port": port, "http_port": http_port, "api_port": api_port})
        engine = engine_keeper(settings, door_engine, log_level)
        front = front_keeper(settings, ports, door_front, log_level)
        with _passing_signals_to(front):
            lives = [asyncio.create_task(keeper.run()) for keeper in (engine, front)]
            try:
                done, _ = await asyncio.wait(lives, return_when=asyncio.FIRST_COMPLETED)
                for life in done:
                    life.result()
            finally:
                await front.end()
                await engine.end()
                await asyncio.gather(*lives, return_exceptions=True)
    log.info("stopped")


def engine_keeper(settings: Settings, door: socket.socket, log_level: str = "info") -> Keeper:
    """Keeps an engine behind the door."""
    arguments = (str(door.fileno()), log_level)
    return Keeper("engine", "gharial_server.engine_process", arguments, _line(settings), [door.fileno()])


def front_keeper(settings: Settings, ports: Ports, door: socket.socket, log_level: str) -> Keeper:
    """Keeps a front end in front of the door."""
    descriptors = [ports.streams.fileno(), ports.http.fileno(), ports.api.fileno(), door.fileno()]
    arguments = (*map(str, descriptors), log_level)
    return Keeper("front", "gharial_server.front_process", arguments, _line(settings), descriptors)


def _line(settings: Settings) -> bytes:
    return TypeAdapter(Settings).dump_json(settings) + b"\n"


@contextlib.contextmanager
def _passing_signals_to(front: Keeper) -> Iterator[None]:
    """SIGTERM and SIGINT are the front end's: it drains, and its end is the server's."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, front.signal, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
