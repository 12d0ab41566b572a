"""Puts the page on a FastAPI application: its files, and what it asks the server that it came from.

GET /                      the page
GET /ui/...                its files
GET /ui/config.json        where the stream is, which model is loaded, and whether there is a fleet to see
GET /ui/stream.json?...    why a stream with this query would be refused now: browsers hide that from pages
GET /ui/fleet.json         pools, models and streams, or 404 where no control plane is in reach
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from gharial_wire.models import ModelIdentity
from gharial_wire.request import STREAM_PATH
from starlette.types import Message, Receive, Scope, Send

FILES = Path(__file__).parent / "static"

# Everything comes from the page's own origin, but streams: those may go to any server the user names.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
# A proxy says so. The page then reaches the stream where it came from itself, and not at the server's own port.
PROXY_HEADERS = ("x-forwarded-for", "x-forwarded-proto", "forwarded")


@dataclass(frozen=True)
class Refused:
    """How a stream would be refused: HTTP status, a sentence, and after how many seconds to try again."""

    status: int
    message: str
    retry_after: int | None = None


@dataclass(frozen=True)
class PageHost:
    """What the page is to know of its server.

    stream_port: where the server itself takes streams. refusal: why a request target would be refused now, or None.
    fleet: the control plane's view as JSON; None, or answering None, where it is not in reach.
    """

    identity: ModelIdentity
    stream_port: Callable[[], int]
    refusal: Callable[[str], Refused | None]
    fleet: Callable[[], Awaitable[dict[str, Any] | None]] | None = None


def mount_page(app: FastAPI, host: PageHost) -> None:
    """Adds the page's routes; none of them appears in the application's API description."""

    async def page() -> Response:
        return FileResponse(FILES / "index.html", headers=HEADERS)

    async def config(request: Request) -> Response:
        is_proxied = any(name in request.headers for name in PROXY_HEADERS)
        model = host.identity
        return _json(
            {
                "stream": {"port": None if is_proxied else host.stream_port(), "path": STREAM_PATH},
                "model": {"name": model.name, "version": model.version, "language": model.language},
                "fleet": host.fleet is not None,
            }
        )

    async def stream(request: Request) -> Response:
        refused = host.refusal(f"{STREAM_PATH}?{request.url.query}")
        return _json({"refusal": vars(refused) if refused else None})

    async def fleet() -> Response:
        told = await host.fleet() if host.fleet is not None else None
        return _json({"detail": "no control plane is in reach"}, 404) if told is None else _json(told)

    for path, answer in (("", page), ("ui/config.json", config), ("ui/stream.json", stream), ("ui/fleet.json", fleet)):
        app.add_api_route(f"/{path}", answer, include_in_schema=False)
    app.mount("/ui", _Files(directory=FILES))


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return JSONResponse(content, status, headers=HEADERS)


class _Files(StaticFiles):
    """The page's files, with its headers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await super().__call__(scope, receive, with_headers)
