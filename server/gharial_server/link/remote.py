"""The engine as the front end sees it: the interface's Engine, at the other end of a link.

Everything here lives on the event loop's thread. Whatever goes to the engine in one turn of the loop leaves in one
message, and so does what comes within 2 ms of the last one; whatever a step of the engine yields comes in one.
"""

import asyncio
import itertools
import marshal
import socket
from collections import deque

import numpy as np
from gharial_asr.keywords import Keywords

from gharial_server.engine.interface import (
    SAMPLE_RATE,
    Answer,
    EngineFullError,
    EngineStoppedError,
    Event,
    Failed,
    KeywordRules,
    ModelInfo,
    Samples,
    Sink,
)
from gharial_server.link.door import knock
from gharial_server.link.events import event_of
from gharial_server.link.framing import CLOSE, FINISH, FLOAT, Inbox, Kind, feed_message, packed
from gharial_server.totals import StepTotals, TotalsObserver

# Buffers of one call to the kernel.
_MOST_BUFFERS = 512
# Buffers after which a turn of the loop is not waited for: a turn may bring a thousand messages, the kernel takes 200.
_MANY_BUFFERS = 64
# Between two messages to the engine: a busy front end wakes it less often, a quiet one at once.
_PAUSE_SECONDS = 0.002


class RemoteStream:
    """Implements `interface.Stream`. Its sink is called on the event loop."""

    def __init__(self, number: int, sink: Sink, engine: "RemoteEngine") -> None:
        self.id = number
        self.sink = sink
        self.is_open = True
        self.pushed = 0  # samples
        self.answered = 0.0  # seconds
        self._engine = engine

    @property
    def backlog_seconds(self) -> float:
        return self.pushed / SAMPLE_RATE - self.answered

    def push(self, samples: Samples) -> None:
        if not len(samples):
            return
        if isinstance(samples, bytes):
            self.pushed += len(samples) // 2
            self._engine.feed(self, len(samples), samples)
        else:
            self.pushed += len(samples)
            payload = samples.tobytes()
            flag = FLOAT if samples.dtype == np.float32 else 0
            self._engine.feed(self, len(payload) | flag, payload)

    def finish(self) -> None:
        self._engine.feed(self, FINISH, b"")

    def close(self) -> None:
        self._engine.feed(self, CLOSE, b"")
        self._engine.forget(self)


class RemoteEngine:
    """Implements `interface.Engine`. When the engine's process is gone, every stream has failed and `alive` is off."""

    # No two streams of a front end have the same number, also when one engine follows the other.
    _numbers = itertools.count(1)

    def __init__(self, link: socket.socket, observer: TotalsObserver) -> None:
        self.alive = True
        self._link = link
        self._observer = observer
        self._inbox = Inbox(link)
        self._loop = asyncio.get_running_loop()
        self._hello: asyncio.Future[None] = self._loop.create_future()
        self._streams: dict[int, RemoteStream] = {}
        self._entries: list[int] = []
        self._payloads: list[bytes] = []
        self._outgoing: deque[bytes | memoryview] = deque()
        self._is_flushing = self._is_blocked = False
        self._flushed_at = 0.0
        self._heard_at = self._loop.time()
        self._loop.add_reader(link, self._read)

    @classmethod
    async def connect(cls, door: socket.socket, observer: TotalsObserver) -> "RemoteEngine":
        """The engine that takes the next link, once it has loaded its model."""
        while True:
            engine = cls(await knock(door), observer)
            try:
                await engine.greeted()
                return engine
            except EngineStoppedError:  # it took the link and died; the next one will not
                continue
            except BaseException:
                engine.stop()
                raise

    @property
    def silent_seconds(self) -> float:
        """For how long streams have waited and the engine has said nothing at all; to be asked every now and then."""
        now = self._loop.time()
        if not any(stream.backlog_seconds >= self.frame_seconds for stream in self._streams.values()):
            self._heard_at = now
        return now - self._heard_at

    async def greeted(self) -> None:
        """Waits until the engine has told what it is. Raises EngineStoppedError when it dies before."""
        await self._hello

    @property
    def active(self) -> int:
        return len(self._streams)

    def open(self, sink: Sink, keywords: Keywords = (), alternatives: int = 1) -> RemoteStream:
        if not self.alive:
            raise EngineStoppedError("the recogniser has stopped")
        if len(self._streams) >= self.capacity:
            raise EngineFullError(f"all {self.capacity} streams are taken; try again when one has ended")
        stream = RemoteStream(next(self._numbers), sink, self)
        self._streams[stream.id] = stream
        self._collect()
        self._outgoing.append(packed(Kind.OPEN, (stream.id, keywords, alternatives)))
        self._flush_soon()
        return stream

    def stop(self) -> None:
        """Fails the streams still open and closes the link."""
        self._end()

    def feed(self, stream: RemoteStream, length: int, payload: bytes) -> None:
        """Notes what a stream has for the engine; it leaves with this turn of the loop."""
        if not stream.is_open:
            return
        self._entries += (stream.id, length)
        if payload:
            self._payloads.append(payload)
        if not self._is_flushing:
            self._flush_soon()
        elif len(self._payloads) >= _MANY_BUFFERS:
            self._flush()

    def forget(self, stream: RemoteStream) -> None:
        """The stream's place is free."""
        stream.is_open = False
        self._streams.pop(stream.id, None)

    def _collect(self) -> None:
        """Makes one message of what the streams have noted."""
        if self._entries:
            self._outgoing += feed_message(self._entries, self._payloads)
            self._entries, self._payloads = [], []

    def _flush_soon(self) -> None:
        if not self._is_flushing and self.alive:
            self._is_flushing = True
            due = self._flushed_at + _PAUSE_SECONDS
            if self._loop.time() >= due:
                self._loop.call_soon(self._flush)
            else:
                self._loop.call_at(due, self._flush)

    def _flush(self) -> None:
        """Sends what there is; what the kernel does not take now goes when it has room."""
        self._collect()
        try:
            while self._outgoing and self.alive:
                buffers = list(itertools.islice(self._outgoing, _MOST_BUFFERS))
                self._sent(self._link.sendmsg(buffers))
        except BlockingIOError:
            if not self._is_blocked:
                self._is_blocked = True
                self._loop.add_writer(self._link, self._flush)
            return
        except OSError:
            self._end()
            return
        self._is_flushing = False
        self._flushed_at = self._loop.time()
        if self._is_blocked:
            self._is_blocked = False
            self._loop.remove_writer(self._link)

    def _sent(self, count: int) -> None:
        while count:
            first = self._outgoing.popleft()
            if count < len(first):
                self._outgoing.appendleft(memoryview(first)[count:])
                return
            count -= len(first)

    def _read(self) -> None:
        self._heard_at = self._loop.time()
        try:
            for kind, body in self._inbox.read():
                if kind is Kind.EVENTS:
                    self._deliver(body)
                elif kind is Kind.STEP:
                    self._observer(StepTotals(*marshal.loads(body)))
                else:
                    self._welcome(body)
        except BlockingIOError:
            return
        except EOFError:
            self._end()

    def _welcome(self, body: memoryview) -> None:
        self.capacity, self.frame_seconds, model, rules, self.process_id = marshal.loads(body)
        self.model = ModelInfo(*model)
        self.keyword_rules = KeywordRules(*rules)
        if not self._hello.done():
            self._hello.set_result(None)

    def _deliver(self, body: memoryview) -> None:
        batches: dict[Sink, list[tuple[int, Event]]] = {}
        for number, told in marshal.loads(body):
            stream = self._streams.get(number)
            if stream is None:
                continue
            event = event_of(told)
            if isinstance(event, Answer) and not event.closing:
                stream.answered = max(stream.answered, event.end)  # a final may be about earlier frames
            else:
                self.forget(stream)
            batch = batches.get(stream.sink)
            if batch is None:
                batch = batches[stream.sink] = []
            batch.append((number, event))
        for sink, batch in batches.items():
            sink(batch)

    def _end(self) -> None:
        if not self.alive:
            return
        self.alive = False
        self._loop.remove_reader(self._link)
        self._loop.remove_writer(self._link)
        self._link.close()
        if not self._hello.done():
            self._hello.set_exception(EngineStoppedError("the recogniser has stopped"))
        left, self._streams = list(self._streams.values()), {}
        for stream in left:
            stream.is_open = False
            stream.sink([(stream.id, Failed("the recogniser has stopped"))])
