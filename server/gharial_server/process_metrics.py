"""What the server's processes use: the usual process metrics summed over front end and engine, and each by itself."""

from collections.abc import Callable, Iterator

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

# Of these the sum says nothing: the first process's own are shown.
_NOT_SUMMED = ("process_start_time_seconds", "process_max_fds")


class Processes(Collector):
    """The front end, which is this process, and the engine."""

    def __init__(self, engine: Callable[[], int | None]) -> None:
        """engine: its process id, None while there is none."""
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        found = {"front": list(ProcessCollector(registry=None).collect())}
        engine = self._engine()
        if engine is not None:
            found["engine"] = list(ProcessCollector(pid=lambda: engine, registry=None).collect())
        values = {
            name: {sample.name: sample.value for metric in metrics for sample in metric.samples}
            for name, metrics in found.items()
        }
        for metric in found["front"]:
            for sample in metric.samples:
                if sample.name not in _NOT_SUMMED:
                    total = sum(each.get(sample.name, 0.0) for each in values.values())
                    metric.samples = [sample._replace(value=total)]
            yield metric
        cpu = CounterMetricFamily("gharial_process_cpu_seconds", "CPU time of each process.", labels=["process"])
        memory = GaugeMetricFamily(
            "gharial_process_resident_memory_bytes", "Resident memory of each process.", labels=["process"]
        )
        for name, each in values.items():
            cpu.add_metric([name], each.get("process_cpu_seconds_total", 0.0))
            memory.add_metric([name], each.get("process_resident_memory_bytes", 0.0))
        yield cpu
        yield memory
