"""One OpenTelemetry trace for each stream, made when it has ended from the moments that were noted on the way.

    stream            handshake to close; a final with text is an event of it
      handshake       request to WebSocket
      first audio     WebSocket to the first samples
      first word      the first samples to the first answer with text
      last word       end of audio to the closing answer
      close           closing answer to the end of the connection

Nothing is spent on tracing while a stream runs, and no transcript can get into a trace: none is noted.
"""

import time
from typing import TYPE_CHECKING, Protocol

from gharial_wire.models import ModelIdentity

from gharial_server.journey import Journey, Outcome

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

TRACES_PATH = "/v1/traces"


class Traces(Protocol):
    """Where ended streams are told to."""

    def tell(self, journey: Journey, outcome: Outcome) -> None:
        """Takes a stream that has ended; returns at once."""

    def close(self) -> None:
        """Sends what was not sent yet; may take seconds."""


def open_traces(collector: str, identity: ModelIdentity) -> Traces:
    """Traces to an OTLP collector over HTTP, such as http://localhost:4318, in batches on a thread of their own.

    Raises ValueError when OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ValueError(f"--traces needs OpenTelemetry ({error}); install gharial[traces]") from error
    told = {
        "service.name": "gharial-server",
        "gharial.model": identity.name,
        "gharial.version": identity.version,
        "gharial.language": identity.language,
    }
    provider = TracerProvider(resource=Resource.create(told), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(collector.rstrip("/") + TRACES_PATH)))
    return OpenTelemetryTraces(provider)


class OpenTelemetryTraces:
    """Implements Traces. How many streams are sampled is said by OTEL_TRACES_SAMPLER, as everywhere."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer: Tracer = provider.get_tracer("gharial")

    def tell(self, journey: Journey, outcome: Outcome) -> None:
        """Makes the stream's spans. A traceparent of the handshake is their parent."""
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        offset = time.time() - time.monotonic()

        def stamp(moment: float) -> int:
            return round((moment + offset) * 1e9)

        parent = TraceContextTextMapPropagator().extract(dict(journey.trace_headers))
        end = journey.closed_at or time.monotonic()
        stream = self._tracer.start_span(
            "stream",
            parent,
            SpanKind.SERVER,
            {
                "gharial.stream": journey.name,
                "gharial.tenant": journey.tenant,
                "gharial.close_code": outcome.code,
                "gharial.close_reason": outcome.reason,
                "gharial.audio_seconds": outcome.audio_seconds,
                "gharial.answers": outcome.answers,
            },
            start_time=stamp(journey.asked_at),
        )
        for moment, start, until in journey.finals:
            stream.add_event("final", {"gharial.start": start, "gharial.end": until}, stamp(moment))
        inside = set_span_in_context(stream)
        for name, begin, finish in _parts(journey, end):
            self._tracer.start_span(name, inside, start_time=stamp(begin)).end(stamp(finish))
        if outcome.code not in {1000, 1001, 1005}:
            stream.set_status(StatusCode.ERROR, f"{outcome.code} {outcome.reason}".strip())
        stream.end(stamp(end))

    def close(self) -> None:
        """Sends what is left."""
        self._provider.shutdown()


def _parts(journey: Journey, end: float) -> list[tuple[str, float, float]]:
    """Name, begin and end of each part of the way that the stream went whole."""
    parts = (
        ("handshake", journey.asked_at, journey.opened_at),
        ("first audio", journey.opened_at, journey.first_audio_at),
        ("first word", journey.first_audio_at, journey.first_word_at),
        ("last word", journey.audio_ended_at, journey.answered_at),
        ("close", journey.answered_at, end),
    )
    return [(name, begin, finish) for name, begin, finish in parts if begin is not None and finish is not None]
