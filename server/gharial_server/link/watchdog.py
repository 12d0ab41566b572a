"""An engine that lives but says nothing while streams wait is ended, so that its parent starts another."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable

from gharial_server.link.remote import RemoteEngine
from gharial_server.totals import TotalsObserver

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
# A card is given up after 20 s, by the engine itself and with a reason: this is for what nobody else notices.
MOST_SILENT_SECONDS = 30.0


def watched(
    door: socket.socket, most_silent_seconds: float = MOST_SILENT_SECONDS
) -> Callable[[TotalsObserver], Awaitable[RemoteEngine]]:
    """`RemoteEngine.connect`, with a watch on each engine that it finds."""
    watches: set[asyncio.Task[None]] = set()

    async def connect(observer: TotalsObserver) -> RemoteEngine:
        engine = await RemoteEngine.connect(door, observer)
        watches.add(task := asyncio.create_task(watch(engine, most_silent_seconds)))
        task.add_done_callback(watches.discard)
        return engine

    return connect


async def watch(engine: RemoteEngine, most_silent_seconds: float) -> None:
    """Returns when the engine has gone, by itself or by force."""
    while engine.alive:
        await asyncio.sleep(min(LOOK_EVERY, most_silent_seconds))
        if engine.alive and engine.silent_seconds > most_silent_seconds:
            log.error("the engine has said nothing for %d s and is ended", most_silent_seconds)
            os.kill(engine.process_id, signal.SIGKILL)
            return
