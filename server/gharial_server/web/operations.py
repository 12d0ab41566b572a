"""The operations endpoint: health, readiness, metrics and drain, over plain HTTP on a port of its own."""

import contextlib
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from gharial_server.service import Service
from gharial_server.web.openapi_page import openapi_page


def operations(service: Service) -> FastAPI:
    """The application; all handlers are coroutines, so they run on the loop that owns the service."""
    app = FastAPI(
        title="Gharial server",
        description="Health, readiness, metrics and drain of one server.",
        docs_url=None,
        redoc_url=None,
    )

    @app.get("/healthz", response_class=PlainTextResponse, summary="Does the front end answer?")
    async def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/readyz", response_class=PlainTextResponse, summary="Are new streams welcome?")
    async def readyz() -> Response:
        reason = service.unready
        if reason is not None:
            headers = {"Retry-After": str(service.settings.retry_after)}
            return PlainTextResponse(f"{reason}\n", status_code=503, headers=headers)
        return PlainTextResponse("ok\n")

    @app.get("/metrics", response_class=PlainTextResponse, summary="Prometheus metrics")
    async def metrics() -> Response:
        body = service.metrics.text(service.load, service.unready is None, service.backlog_seconds)
        return Response(body, media_type=CONTENT_TYPE_LATEST)

    @app.post("/drain", summary="Refuse new streams; live ones go on")
    async def drain() -> JSONResponse:
        service.drain()
        load = service.load
        return JSONResponse({"phase": service.phase.value, "active": load.active, "capacity": load.capacity})

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(openapi_page(app.openapi()))

    return app


class HttpServer(uvicorn.Server):
    """uvicorn inside somebody else's event loop and on somebody else's socket: the signals stay ours."""

    @classmethod
    def of(cls, app: FastAPI, connections: int | None = None) -> "HttpServer":
        """A server for an application; run it with `serve(sockets=...)`. connections: at most; further ones get 503."""
        # Of uvicorn's parsers, h11 is the one that bounds the head of a request.
        config = uvicorn.Config(
            app, http="h11", ws="none", log_config=None, access_log=False, lifespan="off",
            server_header=False, limit_concurrency=connections, timeout_graceful_shutdown=1,
        )  # fmt: skip
        return cls(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
