"""The server's state: which phase it is in, which streams are open, and the way from the engine to them.

Everything here lives on the event loop's thread.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Protocol

from gharial_asr.keywords import Keywords, checked
from gharial_wire.closing import Close
from gharial_wire.request import StreamRequest

from gharial_server.admission import Load, Phase, Refusal, refuse, unready
from gharial_server.engine.interface import Engine, EngineFullError, EngineStoppedError, Event, Stream
from gharial_server.journey import Journey, Outcome
from gharial_server.metrics import Metrics
from gharial_server.settings import Settings
from gharial_server.tenants import Tenant, Tenants
from gharial_server.tracing import open_traces

log = logging.getLogger(__name__)


class OpenStream(Protocol):
    """What the service knows of a stream that is open."""

    def take(self, event: Event) -> None:
        """Takes one event of the engine."""

    def check(self, now: float) -> None:
        """Looks after time limits; called about once a second."""

    def end(self, close: Close) -> None:
        """Ends the stream with this Close."""


class Service:
    """Admission, hand-over and drain of one server."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.tenants = None if settings.tenants is None else Tenants(settings.tenants, settings.tenant_streams)
        self.traces = None if settings.traces is None else open_traces(settings.traces, settings.identity)
        self.engine: Engine | None = None
        self.stream_port = settings.port  # as opened, where the settings leave it to the system
        self.emptied = asyncio.Event()
        self.emptied.set()
        self._draining = False
        self._open: set[OpenStream] = set()
        self._fed: dict[int, tuple[Stream, OpenStream]] = {}

    @property
    def phase(self) -> Phase:
        """Where the server stands now."""
        if self._draining:
            return Phase.DRAINING
        if self.engine is None:
            return Phase.LOADING
        return Phase.SERVING if self.engine.alive else Phase.FAILED

    @property
    def load(self) -> Load:
        """Streams open and streams at most; nothing before the model is loaded."""
        return Load(self.engine.active, self.engine.capacity) if self.engine else Load(0, 0)

    @property
    def unready(self) -> str | None:
        """Why new streams should go elsewhere, or None."""
        return unready(self.phase, self.load, self.settings.ready_headroom)

    def serve(self, engine: Engine) -> None:
        """An engine is there with its model loaded: streams may come."""
        self.engine = engine
        self.metrics.name_model(engine.model)
        self.metrics.engine_process = engine.process_id
        log.info("ready", extra={"capacity": engine.capacity, "digest": engine.model.digest})

    def drain(self) -> None:
        """New streams are refused from now on; live ones go on."""
        if not self._draining:
            self._draining = True
            log.info("draining", extra={"open": len(self._open)})

    def refuse(self) -> Refusal | None:
        """Why a new stream would be refused now, or None."""
        return refuse(self.phase, self.load, self.settings.retry_after)

    def keywords(self, request: StreamRequest) -> Keywords:
        """The server's keywords and the stream's own, whose boost counts where both name one. Raises ValueError."""
        if not request.keywords:
            return self.settings.keywords
        keywords = checked(dict(self.settings.keywords) | dict(checked(dict(request.keywords))))
        if self.engine is not None:
            self.engine.keyword_rules.check(keywords)
        return keywords

    def admit(self, request: StreamRequest) -> Stream | Refusal:
        """Takes a place for a new stream, or says why there is none. Whoever got one must `attach` it."""
        retry_after = self.settings.retry_after
        verdict = self.refuse()
        if verdict is None and self.engine is not None:
            try:
                return self.engine.open(self.sink, self.keywords(request), request.alternatives)
            except EngineFullError:
                load = self.load
                verdict = refuse(Phase.SERVING, Load(load.capacity, load.capacity), retry_after)
            except EngineStoppedError:
                verdict = refuse(Phase.FAILED, self.load, retry_after)
        assert verdict is not None
        return verdict

    @property
    def backlog_seconds(self) -> float:
        """Audio of all streams that waits for the engine."""
        return sum(max(0.0, stream.backlog_seconds) for stream, _ in self._fed.values())

    def open_next(self, request: StreamRequest) -> Stream:
        """A further stream for somebody who is in already, also while draining. Whoever got one must `attach` it.

        Raises EngineFullError or EngineStoppedError.
        """
        if self.engine is None:
            raise EngineStoppedError("the recogniser has stopped")
        return self.engine.open(self.sink, self.keywords(request), request.alternatives)

    def count(self, tenant: Tenant | None, change: int) -> None:
        """A tenant has one stream more (1) or less (-1)."""
        if self.tenants is not None and tenant is not None:
            self.tenants.count(tenant, change)
            self.metrics.count(tenant.name, change)

    def tell(self, journey: Journey, outcome: Outcome) -> None:
        """A stream has ended: counts it, and traces it where traces are wanted."""
        self.metrics.end(journey, outcome)
        if self.traces is not None:
            self.traces.tell(journey, outcome)

    def attach(self, stream: Stream, session: OpenStream) -> None:
        """From now on the session gets the stream's events, and `emptied` waits for it."""
        self._fed[stream.id] = stream, session
        self._open.add(session)
        self.emptied.clear()

    def release(self, stream: Stream) -> None:
        """Gives the place in the engine back; harmless when it is free already."""
        if self._fed.pop(stream.id, None) is not None:
            stream.close()

    def forget(self, session: OpenStream) -> None:
        """The session's connection is over."""
        self._open.discard(session)
        if not self._open:
            self.emptied.set()

    def close_all(self, close: Close) -> None:
        """Ends every stream."""
        for session in list(self._open):
            session.end(close)

    def check_all(self) -> None:
        """Looks after every stream's time limits."""
        if self.tenants is not None:
            self.tenants.refresh()
        now = time.monotonic()
        for session in list(self._open):
            session.check(now)

    def sink(self, events: Sequence[tuple[int, Event]]) -> None:
        """Takes the events of one step of the engine."""
        for number, event in events:
            fed = self._fed.get(number)
            if fed is not None:
                fed[1].take(event)
