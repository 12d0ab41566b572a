"""The engine's end of a link: what a front end asks for is done, and what comes of it is sent back."""

import logging
import marshal
import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from gharial_server.engine.interface import (
    Answer,
    Engine,
    EngineFullError,
    EngineStoppedError,
    Event,
    Failed,
    Step,
    Stream,
)
from gharial_server.link.events import plain
from gharial_server.link.framing import CLOSE, FINISH, FLOAT, Inbox, Kind, feed_entries, packed
from gharial_server.totals import totals

log = logging.getLogger(__name__)

# A front end that takes nothing for so long is given up, so that it cannot hold up the engine for ever.
_SEND_SECONDS = 5


class LinkHost:
    """Serves one front end until its end of the link is gone; then its streams' places are free."""

    def __init__(self, engine: Engine, link: socket.socket) -> None:
        self.is_over = False
        self._engine = engine
        self._link = link
        link.setblocking(True)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _SEND_SECONDS, 0))
        self._sending = threading.Lock()
        # Streams by the front end's number, and the front end's number by the engine's.
        self._naming = threading.Lock()
        self._streams: dict[int, Stream] = {}
        self._names: dict[int, int] = {}

    def start(self) -> None:
        """Greets the front end and serves it on a thread of its own."""
        engine = self._engine
        rules = astuple(engine.keyword_rules)
        self._send(Kind.HELLO, (engine.capacity, engine.frame_seconds, astuple(engine.model), rules, engine.process_id))
        threading.Thread(target=self._serve, name="link", daemon=True).start()

    def observe(self, step: Step) -> None:
        """Tells the front end what a step was."""
        self._send(Kind.STEP, astuple(totals(step)))

    def _serve(self) -> None:
        inbox = Inbox(self._link)
        try:
            while True:
                for kind, body in inbox.read():
                    if kind is Kind.FEED:
                        self._feed(body)
                    else:
                        self._open(*marshal.loads(body))
        except (EOFError, OSError):
            log.info("a front end has gone", extra={"streams": len(self._streams)})
        finally:
            self.is_over = True
            for stream in list(self._streams.values()):
                stream.close()
            with self._sending:
                self._link.close()

    def _open(self, name: int, keywords: tuple[tuple[str, float], ...], alternatives: int) -> None:
        try:
            with self._naming:  # the engine may have something to say before we know what it calls the stream
                stream = self._engine.open(self._sink, keywords, alternatives)
                self._streams[name] = stream
                self._names[stream.id] = name
        except (EngineFullError, EngineStoppedError) as error:
            self._send(Kind.EVENTS, [plain(name, Failed(str(error)))])

    def _feed(self, body: memoryview) -> None:
        entries, at = feed_entries(body)
        for name, length in entries:
            stream = self._streams.get(name)
            if length == CLOSE:
                if stream is not None:
                    self._forget(name, stream)
                    stream.close()
            elif length == FINISH:
                if stream is not None:
                    stream.finish()
            else:
                size = length & ~FLOAT
                if stream is not None:
                    dtype = np.dtype("<f4" if length & FLOAT else "<i2")
                    stream.push(np.frombuffer(body, dtype, size // dtype.itemsize, at))
                at += size

    def _sink(self, events: Sequence[tuple[int, Event]]) -> None:
        with self._naming:
            told = [plain(self._names[number], event) for number, event in events if number in self._names]
            for number, event in events:
                if isinstance(event, Failed) or (isinstance(event, Answer) and event.closing):
                    self._streams.pop(self._names.pop(number, 0), None)
        if told:
            self._send(Kind.EVENTS, told)

    def _forget(self, name: int, stream: Stream) -> None:
        with self._naming:
            self._streams.pop(name, None)
            self._names.pop(stream.id, None)

    def _send(self, kind: Kind, content: Any) -> None:
        """Sends, on whatever thread; a front end that is gone or stuck is given up."""
        if self.is_over:
            return
        message = packed(kind, content)
        with self._sending:
            try:
                self._link.sendall(message)
            except OSError:
                self.is_over = True
                # What it waits for in `_serve` ends with this.
                try:
                    self._link.shutdown(socket.SHUT_RDWR)
                except OSError:
                    log.debug("the link was down already")
