"""One of the streams of a load: speaks, ends, begins anew, for ever; callbacks alone, no task while it speaks."""

import asyncio
import time
from http import HTTPStatus
from random import Random
from typing import Protocol

import msgspec
from gharial_wire.audio import FRAME_SECONDS, SAMPLE_BYTES, SAMPLE_RATE
from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from picows.common import WSHandshakeError

from gharial_client.latency import LatencyMeter
from gharial_client.load.plan import LoadPlan
from gharial_client.load.speech import Speech
from gharial_client.load.tally import Failure, Kind, Tally

# A stream that was refused or broke is tried again after this time, or what Retry-After says.
_RETRY_SECONDS = 1.0
_SHORTEST_RETRY_SECONDS = 0.2
_LATE_SECONDS = FRAME_SECONDS / 2
_HANDSHAKE_SECONDS = 10.0
_REASON_LENGTH = 160


# Looked up once, and compared by identity: an enumeration's own comparison takes longer than reading an answer.
_TEXT, _BINARY = WSMsgType.TEXT, WSMsgType.BINARY


class _Interval(msgspec.Struct):
    """All that latency needs of an answer; the rest is checked to be JSON and passed over."""

    end: float


_decode = msgspec.json.Decoder(_Interval).decode


class Book(Protocol):
    """Where a player finds what is being measured."""

    tally: Tally


class Player(WSListener):
    """A place of speech and, while there is one, its connection."""

    __slots__ = (
        "_answered_at", "_book", "_complaint", "_ended_at", "_fragments", "_lasting", "_message_bytes", "_plan",
        "_random", "_samples", "_speech", "_stopped", "_task", "_timer", "_transport", "meter", "phase",
    )  # fmt: skip

    def __init__(self, plan: LoadPlan, number: int, book: Book) -> None:
        self._plan = plan
        self._book = book
        self._message_bytes = plan.chunk * SAMPLE_BYTES
        self._lasting = plan.stream_seconds * SAMPLE_RATE
        self._random = Random(f"{plan.seed} {number}")
        self.phase = self._random.random()
        self._speech = Speech(plan.recordings, self._random)
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._fresh(None)

    def _fresh(self, transport: WSTransport | None) -> None:
        self._transport = transport
        self.meter = LatencyMeter()
        self._samples = 0
        self._ended_at: float | None = None
        self._answered_at = 0.0
        self._fragments: list[bytes] = []
        self._complaint: str | None = None

    @property
    def is_speaking(self) -> bool:
        """Whether it has a stream that takes audio."""
        return self._transport is not None and self._ended_at is None

    def begin(self, after: float) -> None:
        """Connects in `after` seconds."""
        self._timer = asyncio.get_running_loop().call_later(after, self._connect)

    def stop(self) -> None:
        """Drops its connection without ceremony and begins none again."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def speak(self, due: float) -> None:
        """Sends the message that is due; the wheel calls this."""
        transport = self._transport
        if transport is None or self._ended_at is not None:
            return
        message, ends = self._speech.take(self._message_bytes, self._samples >= self._lasting)
        transport.send(_BINARY, message)
        now = time.monotonic()
        samples = len(message) // SAMPLE_BYTES
        self._samples += samples
        self.meter.sent(self._samples, now)
        tally = self._book.tally
        if tally.begin <= now < tally.end:  # what `counts` says, without its call
            tally.samples += samples
            tally.messages += 1
            if now - due > _LATE_SECONDS:
                tally.late_messages += 1
        if ends:
            transport.send(_BINARY, b"")
            self._ended_at = now

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._fresh(transport)
        if self._stopped:
            transport.disconnect(graceful=False)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        now = time.monotonic()
        kind = frame.msg_type
        if kind is _TEXT and frame.fin:  # nearly always
            self._take(frame.get_payload_as_bytes(), now)
        elif kind in (_TEXT, WSMsgType.CONTINUATION):
            self._fragments.append(frame.get_payload_as_bytes())
            if frame.fin:
                message, self._fragments = b"".join(self._fragments), []
                self._take(message, now)
        elif kind == WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._stopped:
            return
        failure = self._complaint or _complaint(transport)
        tally, ended_at = self._book.tally, self._ended_at
        if failure is not None:
            tally.unanswered += sum(map(tally.counts, self.meter.unanswered()))
            self._failed("error", failure)
        else:
            if ended_at is not None and tally.counts(ended_at):
                tally.completed += 1
                # The Close itself says that nothing was left to say, where no answer came after the end.
                last = self._answered_at if self._answered_at >= ended_at else time.monotonic()
                tally.closings.append(last - ended_at)
            self._connect()
        self._fresh(None)

    def _take(self, message: bytes, now: float) -> None:
        try:
            end = _decode(message).end
        except msgspec.MsgspecError as error:
            self._complaint = f"sent no answer: {message[:60]!r} ({error})"
            assert self._transport is not None
            self._transport.disconnect(graceful=False)
            return
        tally = self._book.tally
        self._answered_at = now
        if tally.begin <= now < tally.end:
            tally.answers += 1
        for sent_at in self.meter.answered(end):
            if tally.begin <= sent_at < tally.end:
                tally.latencies.append(now - sent_at)
                tally.sent_at.append(sent_at)

    def _connect(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        try:
            _, listener = await ws_connect(
                lambda: self,
                self._plan.url,
                websocket_handshake_timeout=_HANDSHAKE_SECONDS,
                extra_headers=self._plan.headers,
                read_buffer_init_size=1024,
            )
            if listener is None:
                self._failed("error", "the connection broke in the handshake")
        except WSHandshakeError as error:
            self._refused(error)
        except (OSError, TimeoutError, WSError) as error:
            self._failed("error", f"cannot connect: {error or 'no answer in time'}")

    def _refused(self, error: WSHandshakeError) -> None:
        response = error.response
        if response is None or response.status == HTTPStatus.SWITCHING_PROTOCOLS:
            self._failed("error", f"no WebSocket endpoint: {error}")
            return
        told = (error.raw_body or b"").decode(errors="replace").strip()
        after = response.headers.get("Retry-After", "")
        wait = max(float(after), _SHORTEST_RETRY_SECONDS) if after.isascii() and after.isdigit() else _RETRY_SECONDS
        self._failed("refusal", f"HTTP {response.status.value}: {told}".removesuffix(": "), wait)

    def _failed(self, kind: Kind, reason: str, wait: float = _RETRY_SECONDS) -> None:
        self._book.tally.failures.append(Failure(time.monotonic(), kind, reason[:_REASON_LENGTH]))
        # Streams that were refused together shall not come back together.
        self.begin(wait * self._random.uniform(0.8, 1.2))


def _complaint(transport: WSTransport) -> str | None:
    """What was wrong with how the server closed the stream."""
    received = transport.close_handshake.recv if transport.close_handshake is not None else None
    if received is None:
        return "closed with 1006: the connection broke"
    if received.code == WSCloseCode.OK:
        return None
    return f"closed with {received.code.value} {received.reason or ''}".strip()
