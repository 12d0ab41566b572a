"""What the server counts, in Prometheus' text format on /metrics."""

import itertools
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gharial_server.admission import Load
from gharial_server.engine.interface import ModelInfo
from gharial_server.journey import Journey, Outcome
from gharial_server.process_metrics import Processes
from gharial_server.totals import LATENCY_BUCKETS, StepTotals

_WORD_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
# Tenants that have a label of their own; those that come later share one.
MAX_TENANTS = 100
OTHERS = "others"
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


class _Latencies(Collector):
    """A histogram that is added to a step at a time: a call for each of thousands of answers a second would cost more
    than sending them."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._counts = [0] * (len(LATENCY_BUCKETS) + 1)

    def add(self, step: StepTotals) -> None:
        self._sum += step.latency_sum
        self._counts = [before + more for before, more in zip(self._counts, step.latency_counts, strict=True)]

    def collect(self) -> Iterator[Metric]:
        bounds = [*map(str, LATENCY_BUCKETS), "+Inf"]
        yield HistogramMetricFamily(
            "gharial_frame_latency_seconds",
            "From a frame's last sample to its answer leaving the engine.",
            buckets=list(zip(bounds, itertools.accumulate(self._counts), strict=True)),
            sum_value=self._sum,
        )


class Metrics:
    """The server's metrics in a registry of their own, so that two servers may live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.engine_process: int | None = None
        self.registry.register(Processes(lambda: self.engine_process))
        self.active = Gauge("gharial_streams_active", "Streams open now.", registry=self.registry)
        self.capacity = Gauge("gharial_streams_capacity", "Streams at most.", registry=self.registry)
        self.ready = Gauge("gharial_ready", "1 while new streams are welcome.", registry=self.registry)
        self.recordings = Counter(
            "gharial_recordings_total", "Whole recordings by how they ended.", ["outcome"], registry=self.registry
        )
        self.refusals = Counter(
            "gharial_refusals_total", "Streams refused before the upgrade.", ["reason"], registry=self.registry
        )
        self.closed = Counter(
            "gharial_streams_closed_total", "Streams that have ended, by close code.", ["code"], registry=self.registry
        )
        self._answers = Counter("gharial_answers_total", "Answers sent.", ["kind"], registry=self.registry)
        self.finals = self.partials = 0  # since the last exposition: a call for each would cost more than counting
        self._count_answers()
        self._latency = _Latencies()
        self.registry.register(self._latency)
        self.batch = Histogram(
            "gharial_batch_size", "Streams that shared one step.", buckets=_BATCH_BUCKETS, registry=self.registry
        )
        self._backlog = Gauge(
            "gharial_backlog_seconds", "Audio of all streams that waits for the engine.", registry=self.registry
        )
        self._first_word = self._word_histogram("first", "From a stream's first audio to its first answer with text.")
        self._last_word = self._word_histogram("last", "From the client's end of audio to the closing answer.")
        self._model = Gauge(
            "gharial_model_info",
            "1 for the model that is served.",
            ["model", "version", "language", "backend", "digest"],
            registry=self.registry,
        )
        self._tenants: set[str] = set()
        self._tenant_active = Gauge(
            "gharial_tenant_streams_active", "Streams open now.", ["tenant"], registry=self.registry
        )
        self._tenant_streams = Counter(
            "gharial_tenant_streams_total", "Streams opened.", ["tenant"], registry=self.registry
        )
        self._tenant_audio = Counter(
            "gharial_tenant_audio_seconds_total", "Seconds of audio received.", ["tenant"], registry=self.registry
        )
        self.audio = Counter("gharial_audio_seconds_total", "Seconds of audio decoded.", registry=self.registry)

    def observe_step(self, step: StepTotals) -> None:
        """Takes one batch of the engine."""
        self.batch.observe(step.rows)
        self.audio.inc(step.audio_seconds)
        self._latency.add(step)

    def name_model(self, model: ModelInfo) -> None:
        """This model is served from now on."""
        self._model.clear()
        self._model.labels(model.name, model.version, model.language, model.backend, model.digest).set(1)

    def count(self, tenant: str, change: int) -> None:
        """A tenant has one stream more (1) or less (-1)."""
        label = self._label(tenant)
        self._tenant_active.labels(label).inc(change)
        if change > 0:
            self._tenant_streams.labels(label).inc()

    def hear(self, tenant: str, seconds: float) -> None:
        """Audio of a tenant's stream has come; without tenants it is counted by the engine alone."""
        if tenant:
            self._tenant_audio.labels(self._label(tenant)).inc(seconds)

    def end(self, journey: Journey, outcome: Outcome) -> None:
        """A stream has ended."""
        self.closed.labels(str(outcome.code)).inc()
        if journey.first_word_seconds is not None:
            self._first_word.observe(journey.first_word_seconds)
        if journey.last_word_seconds is not None:
            self._last_word.observe(journey.last_word_seconds)

    def _label(self, tenant: str) -> str:
        """Bounded, whatever keys come and go."""
        if tenant not in self._tenants and len(self._tenants) >= MAX_TENANTS:
            return OTHERS
        self._tenants.add(tenant)
        return tenant

    def _word_histogram(self, which: str, meaning: str) -> Histogram:
        return Histogram(f"gharial_{which}_word_seconds", meaning, buckets=_WORD_BUCKETS, registry=self.registry)

    def _count_answers(self) -> None:
        self._answers.labels("final").inc(self.finals)
        self._answers.labels("partial").inc(self.partials)
        self.finals = self.partials = 0

    def text(self, load: Load, ready: bool, backlog_seconds: float) -> bytes:
        """The exposition, with the gauges brought up to date."""
        self._backlog.set(backlog_seconds)
        self.active.set(load.active)
        self.capacity.set(load.capacity)
        self.ready.set(ready)
        self._count_answers()
        return generate_latest(self.registry)
