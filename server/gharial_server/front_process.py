"""The front end's process: sockets, protocol, admission, operations.

Started by `gharial serve` as `python -m gharial_server.front_process STREAMS HTTP API DOOR LOG_LEVEL`: three listening
sockets and the door to the engine. Settings come as one line of JSON on standard input, whose end ends the process.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Iterator

import uvloop
from gharial_wire.closing import RESTARTING
from pydantic import TypeAdapter

from gharial_server import logs
from gharial_server.link.watchdog import watched
from gharial_server.ports import Ports
from gharial_server.run import running
from gharial_server.settings import Settings

# After Close frames were sent, how long their answers are waited for, in seconds.
CLOSING_SECONDS = 10.0
# New objects after which garbage is looked for: what a message leaves behind goes at once anyway.
GARBAGE = 50_000


async def serve(settings: Settings, ports: Ports, door: socket.socket) -> None:
    """Serves until a signal or the end of the parent. Raises RuntimeError or OSError when it cannot go on."""
    async with running(settings, ports, watched(door)) as server:
        with _signals() as signals:
            print("ready", flush=True)
            gc.collect()
            gc.freeze()  # what is there now stays: the collector need not look at it again
            gc.set_threshold(GARBAGE, 10, 10)
            await first(signals.get(), server.failure)
            server.service.drain()
            waits = (server.service.emptied.wait(), signals.get(), server.failure)
            await first(*waits, seconds=settings.drain_timeout)
            server.service.close_all(RESTARTING)
            await first(server.service.emptied.wait(), seconds=CLOSING_SECONDS)


async def first(*things: Awaitable[object], seconds: float | None = None) -> None:
    """Waits for the first of them, or the time; raises what it raised, cancels the coroutines left."""
    futures = [asyncio.ensure_future(thing) for thing in things]
    done, waiting = await asyncio.wait(futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for future, thing in zip(futures, things, strict=True):
        if future in waiting and future is not thing:
            future.cancel()
    for future in done:
        future.result()


@contextlib.contextmanager
def _signals() -> Iterator["asyncio.Queue[str]"]:
    """SIGTERM and SIGINT in the order they come. The end of the parent counts as two: nobody is left to wait for."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str] = asyncio.Queue()

    def parent() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            loop.remove_reader(sys.stdin)
            queue.put_nowait("parent")
            queue.put_nowait("parent")

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, queue.put_nowait, number.name)
    loop.add_reader(sys.stdin, parent)
    try:
        yield queue
    finally:
        loop.remove_reader(sys.stdin)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def main() -> int:
    """Runs the process."""
    streams, http, api, door = (socket.socket(fileno=int(word)) for word in sys.argv[1:5])
    logs.configure(sys.argv[5])
    settings = TypeAdapter(Settings).validate_json(sys.stdin.buffer.readline())
    try:
        uvloop.run(serve(settings, Ports(streams, http, api), door))
    except (OSError, RuntimeError, ValueError) as error:
        print("failed", " ".join(str(error).split()), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
