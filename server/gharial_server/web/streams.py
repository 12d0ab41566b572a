"""The streaming endpoint: WebSocket connections, refused before the upgrade or handed to a session.

Everything happens in callbacks on the event loop, without a task per stream: thousands of streams make tens of
thousands of messages a second.
"""

import asyncio
import logging
import socket
import time
import uuid
from collections.abc import Callable
from functools import partial

from gharial_wire.closing import FAILED, RESTARTING, TOO_LARGE, Close
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from gharial_server.admission import Refusal
from gharial_server.journey import Journey
from gharial_server.ports import BACKLOG
from gharial_server.service import Service
from gharial_server.web.doorman import MOST_AT_ONCE, Doorman
from gharial_server.web.handshake import Wanted, acceptance, judge, mend_connection_header, refusal
from gharial_server.web.session import Session

log = logging.getLogger(__name__)

# Looked up once, not for every message.
BINARY, TEXT = WSMsgType.BINARY, WSMsgType.TEXT
MAX_MESSAGE_BYTES = 1 << 20
# Answers in bytes that may wait for a client to read them, beyond the kernel's own buffers.
MAX_UNREAD_BYTES = 64 * 1024
# What the kernel may hold for a stream, in each direction: 2 s of audio, half a minute of answers. All of it may come
# in one turn of the loop, as tiny messages; and it is memory that a client that reads nothing makes us fill.
KERNEL_BYTES = 64 * 1024
# Frames after our Close.
MAX_IGNORED = 50_000
HANDSHAKE_SECONDS = 10.0
# How long a Close is waited for after ours was sent.
CLOSE_SECONDS = 3.0


class StreamConnection(WSListener):
    """One WebSocket; its session's way in and out."""

    def __init__(self, endpoint: "StreamEndpoint", journey: Journey, wanted: Wanted) -> None:
        self._endpoint = endpoint
        self._journey = journey
        self._wanted = wanted
        self._session: Session | None = None
        self._hears: Session | None = None  # the session, until the Close is sent
        self._ignored = 0
        self._transport: WSTransport | None = None
        self._fragments = bytearray()
        self._reading = True
        self._closing: asyncio.TimerHandle | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        # Called for each answer: the library's own method, without one of Python around it.
        self.send: Callable[[str], None] = partial(transport.send, TEXT)
        transport.underlying_transport.set_write_buffer_limits(MAX_UNREAD_BYTES)
        # The library reads all that the kernel holds, and its own buffer grows with that.
        kernel = transport.underlying_transport.get_extra_info("socket")
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
        service = self._endpoint.service
        self._endpoint.welcome(self, kernel.fileno())
        # `judge` has found room for it in this same turn of the event loop, so only a dying engine says no here.
        admitted = service.admit(self._wanted.request)
        if isinstance(admitted, Refusal):
            self.close(FAILED)
        else:
            self._session = self._hears = Session(self._journey, self._wanted, admitted, self, service)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is BINARY and frame.fin and self._hears is not None:  # nearly always
            self._hears.receive(frame.get_payload_as_bytes())
        elif kind is WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif self._hears is None:
            self._ignore()
        elif kind is WSMsgType.TEXT:
            self._hears.receive_text(frame.get_payload_as_bytes() if frame.fin else b"")
        else:
            self._hears.count()
            if kind is WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            elif kind is not WSMsgType.PONG:
                self._join(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._endpoint.forget(self)
        if self._closing is not None:
            self._closing.cancel()
        if self._session is not None:
            self._session.gone(*_how_it_ended(transport))

    def pause_writing(self) -> None:
        if self._session is not None:
            self._session.clogged()

    def resume_writing(self) -> None:
        if self._session is not None:
            self._session.unclogged()

    def ping(self) -> None:
        """Sends a ping; nobody waits for its pong."""
        assert self._transport is not None
        self._transport.send_ping()

    def close(self, close: Close) -> None:
        """Begins the closing handshake; a second call does nothing."""
        if self._closing is None:
            assert self._transport is not None
            self._hears = None
            self._transport.send_close(WSCloseCode(close.code), close.reason)
            self.set_reading(True)  # the peer's Close may lie behind unread audio
            self._closing = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.abort)

    def abort(self) -> None:
        """Drops the connection."""
        assert self._transport is not None
        self._transport.disconnect(graceful=False)

    def set_reading(self, reading: bool) -> None:
        """Whether the socket is read; while it is not, TCP slows the client."""
        if reading != self._reading:
            self._reading = reading
            assert self._transport is not None
            if not self._transport.is_disconnected:
                transport = self._transport.underlying_transport
                (transport.resume_reading if reading else transport.pause_reading)()

    def _join(self, frame: WSFrame) -> None:
        """A message in several frames is one message."""
        assert self._hears is not None
        self._fragments += frame.get_payload_as_bytes()
        if len(self._fragments) > MAX_MESSAGE_BYTES:
            self._hears.end(TOO_LARGE)
        elif frame.fin:
            message, self._fragments = bytes(self._fragments), bytearray()
            self._hears.receive(message)

    def _ignore(self) -> None:
        """What comes after the Close was under way when it was sent; there is an end to that."""
        self._ignored += 1
        if self._ignored > MAX_IGNORED:
            self.abort()


class StreamEndpoint:
    """Listens for streams and refuses or serves them."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.connections: set[StreamConnection] = set()
        self._server: asyncio.Server | None = None
        self._doorman: Doorman | None = None
        self._gone = asyncio.Event()

    def welcome(self, connection: StreamConnection, descriptor: int) -> None:
        """The connection has finished its handshake."""
        self.connections.add(connection)
        if self._doorman is not None:
            self._doorman.finished(descriptor)

    def forget(self, connection: StreamConnection) -> None:
        """The connection is over."""
        self.connections.discard(connection)
        self._gone.set()

    async def start(self, port: socket.socket) -> None:
        """Serves on a listening socket."""
        self._doorman = Doorman(port, self.service.metrics.refusals.labels("handshakes").inc)
        self._server = await ws_create_server(
            self._answer,
            sock=self._doorman,
            websocket_handshake_timeout=HANDSHAKE_SECONDS,
            max_frame_size=MAX_MESSAGE_BYTES,
            read_buffer_init_size=4096,
            enable_auto_pong=False,  # pings count as messages, or a flood of them would not
            backlog=MOST_AT_ONCE,
            use_aiofastnet=True,  # uvloop's own server would accept without asking the doorman
        )
        self._doorman.listen(BACKLOG)

    async def stop(self) -> None:
        """Closes the port and waits until every connection has gone; one that lingers is dropped."""
        assert self._server is not None
        self._server.close()
        for connection in self.connections:
            connection.close(RESTARTING)
        while self.connections:
            await self._gone.wait()
            self._gone.clear()

    def _answer(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        asked_at = time.monotonic()
        verdict = judge(self.service, request)
        if isinstance(verdict, Refusal):
            self.service.metrics.refusals.labels(verdict.reason).inc()
            return refusal(verdict)
        mend_connection_header(request)
        name = uuid.uuid4().hex[:16]
        tenant = verdict.tenant.name if verdict.tenant else ""
        traced = {key: request.headers[key] for key in ("traceparent", "tracestate") if key in request.headers}
        journey = Journey(name, tenant, traced, asked_at)
        return WSUpgradeResponseWithListener(acceptance(request, name), StreamConnection(self, journey, verdict))


def _how_it_ended(transport: WSTransport) -> tuple[int, str]:
    """Close code and reason of whoever closed first; 1006 when nobody did."""
    handshake = transport.close_handshake
    if handshake is None:
        return 1006, ""
    first = handshake.recv if handshake.recv_then_sent else handshake.sent
    if first is None or first.code == WSCloseCode.NO_INFO:
        return 1005, ""
    return first.code.value, first.reason
