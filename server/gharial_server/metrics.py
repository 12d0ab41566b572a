"""What the server counts, in Prometheus' text format on /metrics."""

import itertools
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gharial_server.admission import Load
from gharial_server.totals import LATENCY_BUCKETS, StepTotals

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
        ProcessCollector(registry=self.registry)
        self.active = Gauge("gharial_streams_active", "Streams open now.", registry=self.registry)
        self.capacity = Gauge("gharial_streams_capacity", "Streams at most.", registry=self.registry)
        self.ready = Gauge("gharial_ready", "1 while new streams are welcome.", registry=self.registry)
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
        self.audio = Counter("gharial_audio_seconds_total", "Seconds of audio decoded.", registry=self.registry)

    def observe_step(self, step: StepTotals) -> None:
        """Takes one batch of the engine."""
        self.batch.observe(step.rows)
        self.audio.inc(step.audio_seconds)
        self._latency.add(step)

    def _count_answers(self) -> None:
        self._answers.labels("final").inc(self.finals)
        self._answers.labels("partial").inc(self.partials)
        self.finals = self.partials = 0

    def text(self, load: Load, ready: bool) -> bytes:
        """The exposition, with the gauges brought up to date."""
        self.active.set(load.active)
        self.capacity.set(load.capacity)
        self.ready.set(ready)
        self._count_answers()
        return generate_latest(self.registry)
