"""The streaming endpoint: WebSocket connections, refused before the upgrade or handed to a session."""

import asyncio
import logging
import uuid
from collections.abc import Sequence
from http import HTTPStatus

from gharial_wire.closing import Close
from gharial_wire.models import check_model
from gharial_wire.request import SUBPROTOCOL, RequestError, parse_target
from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol

from gharial_server.admission import Refusal
from gharial_server.service import Service
from gharial_server.web.session import Session

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 1 << 20
# Answers in bytes that may wait for a client to read them, beyond the kernel's own buffers.
MAX_UNREAD_BYTES = 64 * 1024
# Messages that may wait for their session; the socket is not read beyond them.
MAX_QUEUED_MESSAGES = 4
OPEN_TIMEOUT_SECONDS = 10
CLOSE_TIMEOUT_SECONDS = 3
PING_INTERVAL_SECONDS = 20
STREAM_HEADER = "X-Gharial-Stream"


class StreamConnection(ServerConnection):
    """A connection that tells its session of full buffers and of its end, and that the session writes to."""

    session: Session | None = None
    closing: asyncio.Task[None] | None = None

    def send_text(self, text: str) -> None:
        # One connection's broadcast is the library's way to send without waiting; the session watches the buffer.
        broadcast([self], text)

    def begin_close(self, close: Close) -> None:
        if self.closing is None and self.protocol.state is State.OPEN:
            self.closing = asyncio.get_running_loop().create_task(self.close(close.code, close.reason))

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.session is not None:
            self.session.clogged()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.session is not None:
            self.session.unclogged()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.session is not None:
            self.session.gone(self.protocol.close_code or 1006, self.protocol.close_reason or "")


class ConnectionOutlet:
    """A session's way out through its connection."""

    def __init__(self, connection: StreamConnection) -> None:
        self._connection = connection

    def send(self, text: str) -> None:
        self._connection.send_text(text)

    def close(self, close: Close) -> None:
        self._connection.begin_close(close)

    def abort(self) -> None:
        self._connection.transport.abort()


class StreamEndpoint:
    """Listens for streams and refuses or serves them."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def start(self) -> Server:
        """Opens the port (0 takes a free one). Raises OSError when it is taken."""
        settings = self._service.settings
        return await serve(
            self._pump,
            settings.host,
            settings.port,
            process_request=self._check_request,
            process_response=self._admit,
            select_subprotocol=_select_subprotocol,
            create_connection=StreamConnection,
            compression=None,  # audio does not shrink, and deflate costs memory and time per stream
            max_size=MAX_MESSAGE_BYTES,
            max_queue=MAX_QUEUED_MESSAGES,
            write_limit=MAX_UNREAD_BYTES,
            open_timeout=OPEN_TIMEOUT_SECONDS,
            close_timeout=CLOSE_TIMEOUT_SECONDS,
            # Pings keep middleboxes awake. Whether the peer lives is told by its audio (Session.check): the pong of a
            # client in a hurry lies behind its unread audio and would come too late.
            ping_interval=PING_INTERVAL_SECONDS,
            ping_timeout=None,
            server_header=None,
            backlog=1024,
        )

    def _check_request(self, connection: ServerConnection, request: Request) -> Response | None:
        try:
            check_model(parse_target(request.path), self._service.settings.identity)
        except RequestError as error:
            self._service.metrics.refusals.labels("not_found" if error.status == 404 else "bad_request").inc()
            return _refusal(error.status, str(error))
        return None

    def _admit(self, connection: ServerConnection, request: Request, response: Response) -> Response | None:
        """Takes a place at the last moment before the upgrade, so that none is lost to a failed handshake."""
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            return None
        assert isinstance(connection, StreamConnection)
        admitted = self._service.admit()
        if isinstance(admitted, Refusal):
            self._service.metrics.refusals.labels(admitted.reason).inc()
            return _refusal(admitted.status, admitted.message, admitted.retry_after)
        name = uuid.uuid4().hex[:16]
        outlet = ConnectionOutlet(connection)
        connection.session = Session(name, parse_target(request.path), admitted, outlet, self._service)
        response.headers[STREAM_HEADER] = name
        return None

    async def _pump(self, connection: ServerConnection) -> None:
        """Carries the client's messages to its session until the connection ends."""
        assert isinstance(connection, StreamConnection)
        session = connection.session
        assert session is not None
        try:
            async for message in connection:
                session.receive(message)
                await session.room()
        except ConnectionClosed:
            pass  # connection_lost tells the session


def _select_subprotocol(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """The documented subprotocol when it is offered; a client that offers none, or another, is served as well."""
    return Subprotocol(SUBPROTOCOL) if SUBPROTOCOL in offered else None


def _refusal(status: int, message: str, retry_after: int | None = None) -> Response:
    body = f"{status} {message}\n".encode()
    headers = Headers({"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))})
    headers["Connection"] = "close"
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return Response(status, HTTPStatus(status).phrase, headers, body)
