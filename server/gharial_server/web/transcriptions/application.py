"""The public HTTP application: `POST /v1/audio/transcriptions` and `GET /v1/models`, as OpenAI's clients speak them."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from gharial_ui.mount import mount_page
from gharial_wire.audio import SAMPLE_BYTES, SAMPLE_RATE
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from gharial_server.admission import Refusal
from gharial_server.service import Service
from gharial_server.tenants import Tenant, key_of
from gharial_server.web.openapi_page import openapi_page
from gharial_server.web.page import page_host
from gharial_server.web.transcriptions import answers
from gharial_server.web.transcriptions.answers import Transcription, joined
from gharial_server.web.transcriptions.errors import (
    NAME_HEADER,
    ApiError,
    answer_api_error,
    answer_failure,
    answer_http_error,
)
from gharial_server.web.transcriptions.form import Wanted, read_wanted
from gharial_server.web.transcriptions.hearing import Final, Hearing
from gharial_server.web.transcriptions.places import Places
from gharial_server.web.transcriptions.samples import samples_of
from gharial_server.web.transcriptions.schema import TRANSCRIPTION
from gharial_server.web.transcriptions.uploads import discard_body, read_form

log = logging.getLogger(__name__)


def public_api(service: Service) -> FastAPI:
    """The application; all handlers are coroutines, so they run on the loop that owns the service."""
    app = FastAPI(
        title="Gharial",
        description="Whole recordings. Live audio goes to /asr/v0.1/stream.",
        docs_url=None,
        redoc_url=None,
    )
    app.add_exception_handler(ApiError, answer_api_error)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(Exception, answer_failure)
    transcriber = Transcriber(service)

    @app.post("/v1/audio/transcriptions", summary="Transcribe a recording", openapi_extra=TRANSCRIPTION)
    async def transcriptions(request: Request) -> Response:
        request.state.name = uuid.uuid4().hex[:16]
        answer = await transcriber.answer(request)
        answer.headers[NAME_HEADER] = request.state.name
        return answer

    @app.get("/v1/models", summary="What is served here")
    async def models(request: Request) -> JSONResponse:
        transcriber.identify(request)
        return JSONResponse({"object": "list", "data": [_model(service)]})

    @app.get("/v1/models/{name}", summary="One model")
    async def model(request: Request, name: str) -> JSONResponse:
        transcriber.identify(request)
        if name != service.settings.identity.name:
            raise ApiError(404, "model_not_found", f"the model {name!r} does not exist here; see /v1/models", "model")
        return JSONResponse(_model(service))

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(openapi_page(app.openapi()))

    mount_page(app, page_host(service))
    return app


def _model(service: Service) -> dict[str, object]:
    identity = service.settings.identity
    return {
        "id": identity.name,
        "object": "model",
        "created": 0,
        "owned_by": "gharial",
        "version": identity.version,
        "language": identity.language,
    }


class Transcriber:
    """Takes a request from its key to its answer."""

    def __init__(self, service: Service) -> None:
        self._service = service
        settings = service.settings
        self._places = Places(settings.transcriptions, settings.retry_after)

    def identify(self, request: Request) -> Tenant | None:
        """Whose request it is; None where everybody may ask. Raises ApiError."""
        tenants = self._service.tenants
        if tenants is None:
            return None
        tenant = tenants.identify(key_of(request.headers, request.query_params.get("api_key")))
        if isinstance(tenant, Refusal):
            raise ApiError.of(tenant)
        return tenant

    async def answer(self, request: Request) -> Response:
        """The whole answer, or its beginning when it is to be streamed. Raises ApiError."""
        try:
            return await self._answer(request)
        except ApiError as error:
            self._service.metrics.recordings.labels(error.code).inc()
            raise

    async def _answer(self, request: Request) -> Response:
        async with AsyncExitStack() as stack:
            try:
                tenant = self.identify(request)
                if (refusal := self._service.refuse()) is not None:
                    raise ApiError.of(refusal)
                await stack.enter_async_context(self._places.request())
                form = await stack.enter_async_context(read_form(request, self._service.settings.upload_mib << 20))
            except ApiError as error:
                if error.status != 408:
                    await discard_body(request)
                raise
            wanted = read_wanted(form, self._service.settings.identity)
            gone = asyncio.ensure_future(_until_gone(request))
            stack.callback(gone.cancel)
            running = Running(self._service, wanted, request.state.name, tenant)
            beginning = asyncio.ensure_future(self._begin(running, wanted, tenant, stack))
            await asyncio.wait([beginning, gone], return_when=asyncio.FIRST_COMPLETED)
            if not beginning.done():
                beginning.cancel()
                await asyncio.wait([beginning])
                return Response(status_code=499)
            gone.cancel()
            said = beginning.result()
            if said is not None:
                return answers.answer(said, wanted)
            return EventStream(running.events(), answers.ignored_header(wanted), stack.pop_all())

    async def _begin(
        self, running: "Running", wanted: Wanted, tenant: Tenant | None, stack: AsyncExitStack
    ) -> Transcription | None:
        """Waits for a turn; then the whole transcription, or None once the first words of a streamed one are there."""
        await stack.enter_async_context(self._places.turn())
        await stack.enter_async_context(self._counted(tenant))
        await stack.enter_async_context(running)
        if tenant is not None:
            stack.callback(lambda: self._service.metrics.hear(tenant.name, running.seconds))
        if not wanted.is_streamed:
            return await running.whole()
        await running.first()
        return None

    @asynccontextmanager
    async def _counted(self, tenant: Tenant | None) -> AsyncIterator[None]:
        """One of the tenant's streams. Raises ApiError (429) when it has no more."""
        service = self._service
        if tenant is not None and service.tenants is not None:
            refusal = service.tenants.refuse(tenant, service.settings.retry_after)
            if refusal is not None:
                raise ApiError.of(refusal)
        service.count(tenant, 1)
        try:
            yield
        finally:
            service.count(tenant, -1)


class Running:
    """A transcription under way: a decoder's process, a slot of the engine, and what has been said."""

    def __init__(self, service: Service, wanted: Wanted, name: str, tenant: Tenant | None) -> None:
        """name: what the client is told, for the log."""
        self._service = service
        self._wanted = wanted
        self._name = name
        self._tenant = "" if tenant is None else tenant.name
        self._began = time.monotonic()
        self._stack = AsyncExitStack()
        self._finals: list[Final] = []
        self._bytes = 0

    async def __aenter__(self) -> "Running":
        settings = self._service.settings
        async with AsyncExitStack() as stack:
            hearing = Hearing(self._service, self._wanted.request)
            stack.callback(hearing.close)
            samples = samples_of(self._wanted.file.file, settings.recording_seconds)
            chunks = await stack.enter_async_context(samples)
            self._source = await stack.enter_async_context(aclosing(hearing.finals(self._counted(chunks))))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        seconds = self._bytes / SAMPLE_BYTES / SAMPLE_RATE
        self._service.metrics.hear(self._tenant, seconds)
        log.info(
            "recording ended",
            extra={
                "stream": self._name,
                "tenant": self._tenant,
                "audio_seconds": round(seconds, 2),
                "seconds": round(time.monotonic() - self._began, 2),
            },
        )

    async def first(self) -> None:
        """Waits for the first words, or the end: what is wrong with the recording is known then. Raises ApiError."""
        async for final in self._source:
            self._finals.append(final)
            return

    async def whole(self) -> Transcription:
        """Waits for the end. Raises ApiError."""
        self._finals += [final async for final in self._source]
        self._service.metrics.recordings.labels("done").inc()
        return self._said()

    async def events(self) -> AsyncIterator[bytes]:
        """Server-sent events, from the first words on."""
        try:
            for text in filter(None, (final.text.lstrip() for final in self._finals)):
                yield answers.delta(text)
            async for final in self._source:
                self._finals.append(final)
                if final.text:
                    yield answers.delta(final.text)
            self._service.metrics.recordings.labels("done").inc()
            yield answers.done(self._said())
        except ApiError as error:
            self._service.metrics.recordings.labels(error.code).inc()
            yield answers.failed(error.body)

    @property
    def seconds(self) -> float:
        """Audio that was decoded so far."""
        return self._bytes / SAMPLE_BYTES / SAMPLE_RATE

    def _said(self) -> Transcription:
        return Transcription(
            joined([final.text for final in self._finals]),
            tuple(word for final in self._finals for word in final.words),
            self.seconds,
            self._service.settings.identity.language,
        )

    async def _counted(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self._bytes += len(chunk)
            yield chunk


class EventStream(StreamingResponse):
    """Server-sent events, and what must be given back when they have ended, however that was."""

    def __init__(self, events: AsyncIterator[bytes], headers: dict[str, str], held: AsyncExitStack) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-store", **headers})
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)


async def _until_gone(request: Request) -> None:
    """The body has been read: what comes now is the client's leaving."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
