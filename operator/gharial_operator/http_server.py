"""What the operator answers over HTTP, on the event loop that does the work: stuck work shows at once."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from gharial_api.base import JsonObject
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gharial_operator.api_client import ApiError
from gharial_operator.snapshot.shared import SharedReads


@dataclass(frozen=True)
class Health:
    """How the process is. An answer to /healthz shows that the event loop runs."""

    ready: Callable[[], bool]


@contextlib.asynccontextmanager
async def serving_http(
    port: int, health: Health, read_fleet: Callable[[], Awaitable[JsonObject]]
) -> AsyncIterator[None]:
    """Serves while the block runs. What many ask of the fleet at once is read once.

    Raises:
        OSError: the port is taken.
    """

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def readyz(_: web.Request) -> web.Response:
        ready = health.ready()
        return web.Response(status=200 if ready else 503, text="ready\n" if ready else "starting\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    shared = SharedReads()

    async def fleet(_: web.Request) -> web.Response:
        try:
            return web.json_response(await shared.read("fleet", read_fleet))
        except (ApiError, OSError, TimeoutError, aiohttp.ClientError) as error:
            return web.json_response({"detail": f"the API server does not answer: {error}"}, status=503)

    application = web.Application()
    routes = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics, "/fleet": fleet}
    application.add_routes([web.get(path, answer) for path, answer in routes.items()])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield
    finally:
        await runner.cleanup()
