"""The operations endpoint: health, readiness, metrics and drain, over plain HTTP on a port of its own."""

import contextlib
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from gharial_ui.mount import mount_page
from prometheus_client import CONTENT_TYPE_LATEST

from gharial_server.service import Service
from gharial_server.web.page import page_host


def operations(service: Service) -> FastAPI:
    """The application; all handlers are coroutines, so they run on the loop that owns the service."""
    app = FastAPI(title="Gharial server", description="Health, readiness, metrics and drain of one server.")

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
        body = service.metrics.text(service.load, service.unready is None)
        return Response(body, media_type=CONTENT_TYPE_LATEST)

    @app.post("/drain", summary="Refuse new streams; live ones go on")
    async def drain() -> JSONResponse:
        service.drain()
        load = service.load
        return JSONResponse({"phase": service.phase.value, "active": load.active, "capacity": load.capacity})

    mount_page(app, page_host(service))
    return app


class OperationsServer(uvicorn.Server):
    """uvicorn inside somebody else's event loop: the signals stay ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def operations_server(service: Service) -> OperationsServer:
    """A server for the operations endpoint; run it with `serve()`."""
    settings = service.settings
    config = uvicorn.Config(
        operations(service),
        host=settings.host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    return OperationsServer(config)
