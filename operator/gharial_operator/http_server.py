"""/healthz, /readyz and /metrics of the operator."""

import time

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

#: The event loop counts as stuck when its heart has not beaten for this long.
STUCK_SECONDS = 60.0


class Heart:
    """Beats while the event loop runs; says whether the operator has started."""

    def __init__(self) -> None:
        self._beat = time.monotonic()
        self.started = False

    def beat(self) -> None:
        """The loop is alive."""
        self._beat = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether the last beat is recent."""
        return time.monotonic() - self._beat < STUCK_SECONDS


async def start_http(port: int, heart: Heart) -> web.AppRunner:
    """Serves until the runner is cleaned up.

    Raises:
        OSError: the port is taken.
    """
    application = web.Application()

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(status=200 if heart.alive else 503, text="alive\n" if heart.alive else "stuck\n")

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(status=200 if heart.started else 503, text="ready\n" if heart.started else "starting\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner
