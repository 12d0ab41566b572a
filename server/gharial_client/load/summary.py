"""The report of a load test as fields: for JSON, for the terminal and for the page."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from gharial_wire.audio import SAMPLE_RATE
from numpy.typing import NDArray

from gharial_client.latency import percentile
from gharial_client.load.crowd import SAMPLE_EVERY
from gharial_client.load.plan import Level, LoadPlan
from gharial_client.load.search import Verdict, largest
from gharial_client.load.tally import Tally

Fields = dict[str, object]
_PERCENTILES = (50, 90, 95, 99, 99.9, 100)
_BARS = 40


@dataclass(frozen=True)
class Conditions:
    """What was measured where; processes: of the client; limit: p99 in seconds, when it was searched with one."""

    plan: LoadPlan
    level: Level
    processes: int
    limit: float | None = None


def summary(conditions: Conditions, tally: Tally, verdicts: Sequence[Verdict] = ()) -> Fields:
    """All of the report. verdicts: of a search, in the order they were tried."""
    audio_seconds = tally.samples / SAMPLE_RATE
    fields: Fields = {
        "url": conditions.plan.url.partition("?")[0],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "streams": conditions.level.streams,
        "seconds": conditions.level.seconds,
        "processes": conditions.processes,
        "chunk_ms": round(1000 * conditions.plan.chunk / SAMPLE_RATE, 3),
        "audio_seconds": round(audio_seconds, 1),
        "real_time_streams": round(audio_seconds / conditions.level.seconds, 1),
        "answers": tally.answers,
        "latency_ms": _percentiles(tally.latencies),
        "closing_ms": _percentiles(tally.closings),
        "unanswered": tally.unanswered,
        "completed": tally.completed,
        "refusals": _reasons(tally, "refusal"),
        "errors": _reasons(tally, "error"),
        "late_messages": tally.late_messages,
        "client_cpu_ms_per_audio_second": round(1000 * tally.cpu_seconds / max(audio_seconds, 1e-9), 3),
    }
    if conditions.limit is not None:
        fields["search"] = {
            "p99_limit_ms": 1000 * conditions.limit,
            "largest": largest(verdicts),
            "levels": [_verdict(verdict) for verdict in verdicts],
        }
    return fields | {"histogram": histogram(tally), "over_time": over_time(tally)}


def histogram(tally: Tally) -> list[Fields]:
    """Bars of equal width over all latencies up to the 99.9th percentile, and one for the rest."""
    latencies = 1000 * np.asarray(tally.latencies)
    if not len(latencies):
        return []
    top = max(1000 * percentile(tally.latencies, 99.9), 0.1)
    edges = np.linspace(0.0, top, _BARS + 1)
    counts, _ = np.histogram(latencies, np.append(edges, np.inf))
    ends = [*edges[1:].tolist(), None]
    return [
        {"from_ms": round(begin, 2), "to_ms": None if end is None else round(end, 2), "frames": count}
        for begin, end, count in zip(edges.tolist(), ends, counts.tolist(), strict=True)
    ]


def over_time(tally: Tally) -> list[Fields]:
    """One entry per second, from the ramp (negative seconds) to the end of the measured time."""
    latencies, sent_at = np.asarray(tally.latencies), np.asarray(tally.sent_at) - tally.begin
    failed = Counter((math.floor(failure.at - tally.begin), failure.kind) for failure in tally.failures)
    begin = min(tally.speaking, default=0.0)
    entries: list[Fields] = []
    for second in range(math.floor(begin), math.ceil(tally.end - tally.begin)):
        within: NDArray[np.float64] = latencies[(sent_at >= second) & (sent_at < second + 1)]
        seen = (tally.speaking.get(second + SAMPLE_EVERY * half) for half in (0, 1))
        speaking = [streams for streams in seen if streams is not None]
        entries.append(
            {
                "second": second,
                "streams": speaking[-1] if speaking else None,
                "p50_ms": _milliseconds(within, 50),
                "p99_ms": _milliseconds(within, 99),
                "refusals": failed[second, "refusal"],
                "errors": failed[second, "error"],
            }
        )
    return entries


def _percentiles(seconds: Sequence[float]) -> dict[str, float | None]:
    ordered = np.asarray(seconds)
    return {f"p{percent}": _milliseconds(ordered, percent) for percent in _PERCENTILES} if len(seconds) else {}


def _milliseconds(seconds: NDArray[np.float64], percent: float) -> float | None:
    value = 1000 * percentile(seconds, percent)
    return round(value, 2) if math.isfinite(value) else None


def _reasons(tally: Tally, kind: str) -> dict[str, int]:
    return dict(Counter(failure.reason for failure in tally.failures if failure.kind == kind).most_common())


def _verdict(verdict: Verdict) -> Fields:
    p99 = round(1000 * verdict.p99, 2) if math.isfinite(verdict.p99) else None
    return {"streams": verdict.streams, "p99_ms": p99, "failed": verdict.failed}
