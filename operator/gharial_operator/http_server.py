"""/healthz, /readyz and /metrics of the operator, on the event loop that does the work: stuck work shows at once."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


@dataclass(frozen=True)
class Health:
    """How the process is. An answer to /healthz shows that the event loop runs."""

    ready: Callable[[], bool]


async def start_http(port: int, health: Health) -> web.AppRunner:
    """Serves until the runner is cleaned up.

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

    application = web.Application()
    application.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner
