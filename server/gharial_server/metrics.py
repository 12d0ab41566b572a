"""What the server counts, in Prometheus' text format on /metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from gharial_server.admission import Load
from gharial_server.engine.interface import Step

_LATENCY_BUCKETS = (0.005, 0.01, 0.015, 0.02, 0.025, 0.04, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


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
        answers = Counter("gharial_answers_total", "Answers sent.", ["kind"], registry=self.registry)
        self.finals, self.partials = answers.labels("final"), answers.labels("partial")
        self.latency = Histogram(
            "gharial_frame_latency_seconds",
            "From a frame's last sample to its answer leaving the engine.",
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.batch = Histogram(
            "gharial_batch_size", "Streams that shared one step.", buckets=_BATCH_BUCKETS, registry=self.registry
        )
        self.audio = Counter("gharial_audio_seconds_total", "Seconds of audio decoded.", registry=self.registry)

    def observe_step(self, step: Step) -> None:
        """Takes one batch of the engine; called on the engine's thread."""
        self.batch.observe(step.rows)
        self.audio.inc(step.audio_seconds)
        for seconds in step.latencies:
            self.latency.observe(seconds)

    def text(self, load: Load, ready: bool) -> bytes:
        """The exposition, with the gauges brought up to date."""
        self.active.set(load.active)
        self.capacity.set(load.capacity)
        self.ready.set(ready)
        return generate_latest(self.registry)
