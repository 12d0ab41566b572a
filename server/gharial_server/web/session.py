"""One live stream between its socket and the engine.

The session reads no further while the engine has seconds of audio in hand or the client leaves its answers unread:
so each stream's memory is bounded, and a client in a hurry is slowed by TCP alone.
"""

import asyncio
import logging
import sys
import time
from typing import Protocol

from gharial_wire.audio import SAMPLE_BYTES, SAMPLE_RATE
from gharial_wire.closing import FAILED, IDLE, SLOW_READER, Close
from gharial_wire.formats.decoders import feed_of
from gharial_wire.stream import END, EndOfAudio, ServerStream

from gharial_server.engine.interface import Answer, Event, Stream
from gharial_server.journey import Journey, Outcome
from gharial_server.service import Service
from gharial_server.web.handshake import Wanted
from gharial_server.web.parts import Parts

log = logging.getLogger(__name__)

# Audio that one stream may have waiting in the engine.
MAX_BACKLOG_SECONDS = 10.0
# Whoever sends more is read no further until the time allows for it: each message costs the other streams time, however
# small it is. Speech in pieces of 10 ms is a twentieth of this.
MESSAGES_PER_SECOND = 2000
# How many are taken before the clock is looked at.
MANY_MESSAGES = 200
# Pings keep middleboxes awake. Whether the peer lives is told by its audio: the pong of a client in a hurry lies behind
# audio that is not read yet, and would come too late.
PING_SECONDS = 20.0


class Outlet(Protocol):
    """The socket's side, as a session sees it."""

    def send(self, text: str, /) -> None:
        """Sends a text message without waiting."""

    def set_reading(self, reading: bool) -> None:
        """Whether the socket is read; while it is not, TCP slows the client."""

    def ping(self) -> None:
        """Sends a ping; nobody waits for its pong."""

    def close(self, close: Close) -> None:
        """Begins the closing handshake without waiting; a second call does nothing."""

    def abort(self) -> None:
        """Drops the connection."""


class Session:
    """Feeds a stream's messages to the engine and its answers to the socket."""

    def __init__(self, journey: Journey, wanted: Wanted, stream: Stream, outlet: Outlet, service: Service) -> None:
        self.name = journey.name
        self._journey = journey
        self._protocol = ServerStream(wanted.request, feed_of(wanted.request.audio))
        self._stream = stream
        self._outlet = outlet
        self._service = service
        self._began = journey.opened_at = time.monotonic()
        self._clogged_since: float | None = None
        self._answers = 0
        self._samples = 0
        self._look_at = 1
        self._billed = 0
        self._decoding = False
        self._is_reading = True
        # Messages in all, and how many there were when somebody looked.
        self._messages = self._heard_messages = self._looked_messages = 0
        self._next_look = MANY_MESSAGES
        self._is_flooding = False
        self._heard_at = self._pinged_at = self._looked_at = self._began
        self._parts = Parts(service, wanted.request, stream, self) if wanted.request.flush else None
        if self._parts is not None:
            self._stream = self._parts
        service.attach(stream, self)
        self._tenant = wanted.tenant
        service.count(wanted.tenant, 1)

    def receive(self, message: bytes) -> None:
        """Takes one binary message of the client."""
        self._messages += 1
        samples = self._protocol.receive_binary(message)
        if isinstance(samples, bytes) and self._samples + len(samples) // SAMPLE_BYTES < self._look_at:  # nearly always
            self._samples += len(samples) // SAMPLE_BYTES
            self._stream.push(samples)
        else:
            self._pass_on(samples)
        if self._protocol.is_unsettled:
            self._settle()
        if self._messages >= self._next_look:
            self._look_at_clock()

    def count(self) -> None:
        """Takes note of a frame that is no message: floods of them are floods too."""
        self._messages += 1
        if self._messages >= self._next_look:
            self._look_at_clock()

    def receive_text(self, message: bytes) -> None:
        """Takes one text message of the client."""
        self.count()
        self._pass_on(self._protocol.receive_text(message))
        self._settle()

    def take(self, event: Event) -> None:
        """Takes one event of the engine."""
        metrics = self._service.metrics
        flushed = None
        if self._parts is not None:
            event, flushed = self._parts.follow(event)
        if isinstance(event, Answer):
            start, end, is_provisional, readings, closing, endpoint = event
            protocol = self._protocol
            words = [words for _, _, words in readings] if protocol.tells_words else None
            alternatives = [(transcript, confidence) for transcript, confidence, _ in readings]
            text = protocol.answer(start, end, is_provisional, alternatives, closing, flushed or endpoint, words)
            if alternatives[0][0]:
                self._journey.says(start, end, is_provisional)
            if closing:
                self._journey.answered_at = time.monotonic()
            if text is not None:
                self._answers += 1
                if is_provisional:
                    metrics.partials += 1
                else:
                    metrics.finals += 1
                self._outlet.send(text)
        else:
            log.warning("the engine gave a stream up", extra={"stream": self.name, "reason": event.reason})
            self._protocol.end(FAILED)
        if self._protocol.is_unsettled or not self._is_reading:
            self._settle()

    def end(self, close: Close) -> None:
        """Ends the stream with this Close, unless it has ended already."""
        self._protocol.end(close)
        self._settle()

    def clogged(self) -> None:
        """The socket's buffer is full: the client does not read its answers."""
        self._clogged_since = time.monotonic()
        self._balance()

    def unclogged(self) -> None:
        """The socket's buffer has room again."""
        self._clogged_since = None
        self._balance()

    def check(self, now: float) -> None:
        """Looks, now and then, after a client that reads nothing (dropped) or sends nothing (closed)."""
        settings = self._service.settings
        self._bill()
        if self._messages > self._heard_messages:
            self._heard_at, self._heard_messages = now, self._messages
            if not self._is_flooding:
                self._allow(now)  # time in which little came is no leave to flood later
        if self._clogged_since is not None and now - self._clogged_since > settings.write_timeout:
            self.end(SLOW_READER)
            self._outlet.abort()
        elif now - self._heard_at > settings.idle_timeout and self._protocol.is_listening and not self._is_stuffed():
            self.end(IDLE)
        elif now - self._pinged_at > PING_SECONDS:
            self._pinged_at = now
            self._outlet.ping()

    def gone(self, code: int, reason: str) -> None:
        """The connection is over, whoever ended it: the place is free and one line says how it went."""
        self._protocol.end(Close(1000))
        self._service.release(self._stream)
        self._service.forget(self)
        self._service.count(self._tenant, -1)
        self._bill()
        self._journey.closed_at = time.monotonic()
        seconds = round(self._samples / SAMPLE_RATE, 2)
        self._service.tell(self._journey, Outcome(code, reason, seconds, self._answers))
        log.info(
            "stream closed",
            extra={
                "stream": self.name,
                "code": code,
                "reason": reason,
                "tenant": self._tenant.name if self._tenant else "",
                "audio_seconds": seconds,
                "seconds": round(time.monotonic() - self._began, 2),
                "answers": self._answers,
            },
        )

    def _bill(self) -> None:
        """Counts the audio that came since the last time."""
        new, self._billed = self._samples - self._billed, self._samples
        self._service.metrics.hear(self._journey.tenant, new / SAMPLE_RATE)

    def _pass_on(self, samples: bytes | EndOfAudio) -> None:
        if isinstance(samples, bytes):
            if samples:
                self._push(samples)
        elif samples is END:
            self._journey.audio_ended_at = time.monotonic()
            self._stream.finish()
        elif self._parts is not None:
            self._parts.flush()

    def _push(self, samples: bytes) -> None:
        self._samples += len(samples) // SAMPLE_BYTES
        self._stream.push(samples)
        if self._samples >= self._look_at:  # once for many messages
            self._look_at = self._samples + SAMPLE_RATE
            self._journey.hears()
            self._balance()

    def _look_at_clock(self) -> None:
        """Reads no further while more messages have come than the time since the last look allows."""
        now = time.monotonic()
        wait = self._looked_at + (self._messages - self._looked_messages) / MESSAGES_PER_SECOND - now
        self._is_flooding = wait > 0
        if self._is_flooding:
            self._next_look = sys.maxsize
            asyncio.get_running_loop().call_later(wait, self._look_at_clock)
        else:
            self._allow(now)
        self._balance()

    def _allow(self, now: float) -> None:
        """Messages are counted anew from now on."""
        self._looked_at, self._looked_messages = now, self._messages
        self._next_look = self._messages + MANY_MESSAGES

    def _decode_on(self) -> None:
        """One more piece of what waits to be decoded; other streams have had their turn meanwhile."""
        self._decoding = False
        if self._protocol.has_more and not self._is_stuffed():
            self._pass_on(self._protocol.more())
            self._settle()

    def _is_stuffed(self) -> bool:
        return self._clogged_since is not None or self._stream.backlog_seconds > MAX_BACKLOG_SECONDS

    def _settle(self) -> None:
        """After each change: close when the protocol says so."""
        if self._protocol.close is not None:
            self._service.release(self._stream)
            self._outlet.close(self._protocol.close)
        else:
            self._balance()

    def _balance(self) -> None:
        """Reads on while there is room, nothing waits to be decoded and no flood comes, and only then."""
        if self._protocol.close is not None:
            return
        is_stuffed, has_more = self._is_stuffed(), self._protocol.has_more
        self._is_reading = not is_stuffed and not has_more and not self._is_flooding
        self._outlet.set_reading(self._is_reading)
        if has_more and not is_stuffed and not self._decoding:
            self._decoding = True
            asyncio.get_running_loop().call_soon(self._decode_on)
