"""The front end of a server, from its start to its end.

start: refusing -> an engine has its model loaded -> serving
the engine dies: its streams are closed with 1011, new ones refused -> another engine is there -> serving
drain: readiness off, new streams refused, live ones go on
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from gharial_wire.closing import FAILED, RESTARTING

from gharial_server.engine.interface import Engine
from gharial_server.metrics import Metrics
from gharial_server.ports import Ports
from gharial_server.service import Service
from gharial_server.settings import Settings
from gharial_server.totals import TotalsObserver
from gharial_server.web.operations import HttpServer, operations
from gharial_server.web.streams import StreamEndpoint
from gharial_server.web.transcriptions.application import public_api

# Connections that strangers may have to the public HTTP application at once.
PUBLIC_CONNECTIONS = 512
# How often time limits and the engine's health are looked after, in seconds.
CHECK_EVERY = 1.0
# How soon after an engine's death the next one is looked for, in seconds.
LOOK_EVERY = 0.05

Connect = Callable[[TotalsObserver], Awaitable[Engine]]
"""Waits for an engine that has its model loaded. The observer is told of each of its steps."""


@dataclass(frozen=True)
class Running:
    """A front end that runs: its state, its ports, and two futures. `loaded` is done when the first engine is there,
    `failure` ends only with what ends the front end."""

    service: Service
    port: int
    http_port: int
    api_port: int
    loaded: asyncio.Future[None]
    failure: asyncio.Future[None]


@contextlib.asynccontextmanager
async def running(settings: Settings, ports: Ports, connect: Connect) -> AsyncIterator[Running]:
    """Serves on the ports; leaving closes its streams with 1012."""
    service = Service(settings, Metrics())
    http = [HttpServer.of(operations(service)), HttpServer.of(public_api(service), PUBLIC_CONNECTIONS)]
    streams = StreamEndpoint(service)
    await streams.start(ports.streams)
    sockets = (ports.http, ports.api)
    serving = [asyncio.create_task(each.serve(sockets=[at])) for each, at in zip(http, sockets, strict=True)]
    loaded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    keeping = asyncio.create_task(_keep_engine(service, connect, loaded))
    failure = asyncio.ensure_future(_watch(service, keeping, serving))
    port, http_port, api_port = (port.getsockname()[1] for port in (ports.streams, *sockets))
    service.stream_port = port
    try:
        yield Running(service, port, http_port, api_port, loaded, failure)
    finally:
        failure.cancel()
        keeping.cancel()
        loaded.cancel()
        service.close_all(RESTARTING)
        await streams.stop()
        for each in http:
            each.should_exit = True
        await asyncio.wait(serving)
        if service.engine is not None:
            service.engine.stop()
        if service.traces is not None:
            await asyncio.to_thread(service.traces.close)
        await asyncio.gather(failure, keeping, return_exceptions=True)


async def _keep_engine(service: Service, connect: Connect, loaded: asyncio.Future[None]) -> None:
    """Serves with one engine after the other."""
    while True:
        engine = await connect(service.metrics.observe_step)
        service.serve(engine)
        if not loaded.done():
            loaded.set_result(None)
        while engine.alive:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_EVERY)
        service.close_all(FAILED)


async def _watch(service: Service, keeping: asyncio.Task[None], serving: list[asyncio.Task[None]]) -> None:
    """Looks after time limits for ever; raises when one of the tasks has come to an end."""
    while True:
        await asyncio.sleep(CHECK_EVERY)
        service.check_all()
        if keeping.done():
            keeping.result()
        if any(task.done() for task in serving):
            raise RuntimeError("an HTTP endpoint has stopped")
