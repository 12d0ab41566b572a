"""One server process, from its start to its exit.

start: ports open (refusing) -> checkpoint obtained and loaded -> serving
SIGTERM or SIGINT: draining (readiness off, new streams refused, live ones go on) -> exit 0
drain timeout, or a second signal: live streams are closed with 1012 -> exit 0
the checkpoint cannot be had, or the engine dies: exit 1, and the reason in the pod's termination message
"""

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

from gharial_wire.closing import FAILED, RESTARTING

from gharial_server.engine.interface import Engine, Observer
from gharial_server.loading import load_engine
from gharial_server.metrics import Metrics
from gharial_server.service import Service
from gharial_server.settings import Settings
from gharial_server.web.operations import operations_server
from gharial_server.web.streams import StreamEndpoint

log = logging.getLogger(__name__)

# How often time limits and the engine's health are looked after, in seconds.
CHECK_EVERY = 1.0
# After Close frames were sent, how long their answers are waited for, in seconds.
CLOSING_SECONDS = 10.0

Load = Callable[[Settings, Observer], Engine]


@dataclass(frozen=True)
class Running:
    """A server that runs: its state, its ports, and a future that ends only with the failure that ends the server."""

    service: Service
    port: int
    http_port: int
    loaded: asyncio.Future[None]
    failure: asyncio.Future[None]


async def serve(settings: Settings) -> None:
    """Runs the server until a signal ends it. Raises RuntimeError or OSError when it cannot go on."""
    async with running(settings) as server:
        with _signals() as signals:
            await _first(signals.get(), server.failure)
            server.service.drain()
            waits = (server.service.emptied.wait(), signals.get(), server.failure)
            await _first(*waits, seconds=settings.drain_timeout)
            server.service.close_all(RESTARTING)
            await _first(server.service.emptied.wait(), seconds=CLOSING_SECONDS)
    log.info("stopped")


@contextlib.asynccontextmanager
async def running(settings: Settings, load: Load = load_engine) -> AsyncIterator[Running]:
    """A server without signal handling; leaving closes its streams with 1012 and its ports."""
    metrics = Metrics()
    service = Service(settings, metrics)
    http_socket = _listen(settings.host, settings.http_port)
    http = operations_server(service)
    streams = StreamEndpoint(service)
    port = service.stream_port = await streams.start()
    http_task = asyncio.create_task(http.serve(sockets=[http_socket]))
    loaded = asyncio.ensure_future(_load(service, load))
    failure = asyncio.ensure_future(_watch(service, loaded, http_task))
    http_port = http_socket.getsockname()[1]
    log.info("started", extra={"port": port, "http_port": http_port})
    try:
        yield Running(service, port, http_port, loaded, failure)
    finally:
        failure.cancel()
        loaded.cancel()
        service.close_all(RESTARTING)
        await streams.stop()
        http.should_exit = True
        await asyncio.wait([http_task])
        if service.engine is not None:
            await asyncio.to_thread(service.engine.stop)
        await asyncio.gather(failure, loaded, return_exceptions=True)


async def _load(service: Service, load: Load) -> None:
    engine = await _on_daemon_thread(lambda: load(service.settings, service.metrics.observe_step))
    service.serve(engine)


async def _watch(service: Service, loaded: asyncio.Future[None], http_task: asyncio.Task[None]) -> None:
    """Looks after time limits for ever; raises when the model cannot be loaded or the engine has died."""
    while True:
        await asyncio.sleep(CHECK_EVERY)
        service.check_all()
        if loaded.done():
            loaded.result()
        if http_task.done():
            raise RuntimeError("the operations endpoint has stopped")
        if service.engine is not None and not service.engine.alive:
            service.close_all(FAILED)
            raise RuntimeError("EngineFailed: the recogniser has stopped; see the log above for its reason")


async def _on_daemon_thread(work: Callable[[], Engine]) -> Engine:
    """Like asyncio.to_thread, but a process that ends does not wait for it (a download may take long)."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Engine] = loop.create_future()

    def settle(engine: Engine | None, error: BaseException | None) -> None:
        if future.done():
            return
        if engine is not None:
            future.set_result(engine)
        elif error is not None:
            future.set_exception(error)

    def run() -> None:
        engine, error = None, None
        try:
            engine = work()
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, engine, error)

    threading.Thread(target=run, name="load", daemon=True).start()
    return await future


async def _first(*things: Awaitable[object], seconds: float | None = None) -> None:
    """Waits for the first of them, or the time; raises what it raised, cancels the coroutines left."""
    futures = [asyncio.ensure_future(thing) for thing in things]
    done, waiting = await asyncio.wait(futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for future, thing in zip(futures, things, strict=True):
        if future in waiting and future is not thing:
            future.cancel()
    for future in done:
        future.result()


@contextlib.contextmanager
def _signals() -> Iterator["asyncio.Queue[signal.Signals]"]:
    """SIGTERM and SIGINT, in the order they come."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, queue.put_nowait, number)
    try:
        yield queue
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _listen(host: str, port: int) -> socket.socket:
    """An open socket; raises OSError naming the remedy when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise OSError(
            f"port {port} cannot be opened on {host}: {error.strerror}; choose another --http-port"
        ) from error
