"""What one step of the engine was, in a form that is quick to add up: for the metrics."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gharial_server.engine.interface import Step

LATENCY_BUCKETS = (0.005, 0.01, 0.015, 0.02, 0.025, 0.04, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds in seconds; what is above the last one is counted apart."""

_BOUNDS = np.array(LATENCY_BUCKETS)


@dataclass(frozen=True)
class StepTotals:
    """One batch. latency_counts: rows by bucket of latency, one more than LATENCY_BUCKETS. Times in seconds."""

    rows: int
    seconds: float
    audio_seconds: float
    latency_sum: float
    latency_counts: tuple[int, ...]


TotalsObserver = Callable[[StepTotals], None]


def totals(step: Step) -> StepTotals:
    """Sorts a step's latencies into buckets."""
    latencies = np.array(step.latencies)
    # A latency equal to a bound belongs below it.
    counts = np.bincount(np.searchsorted(_BOUNDS, latencies), minlength=len(LATENCY_BUCKETS) + 1)
    return StepTotals(step.rows, step.seconds, step.audio_seconds, float(latencies.sum()), tuple(counts.tolist()))
