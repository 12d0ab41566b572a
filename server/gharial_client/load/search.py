"""The largest number of streams within a latency limit: pure decisions on what was measured so far.

Doubling until a level fails, then halving the gap until it is PRECISION of the answer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gharial_client.latency import percentile
from gharial_client.load.tally import Tally

PRECISION = 0.05
# Of all messages, how many the client itself may send late before the measurement is its own.
MAX_LATE_SHARE = 0.01


@dataclass(frozen=True)
class Verdict:
    """One level: how many streams, the p99 in seconds (infinite: over 1 % unanswered), and why it failed, if it did."""

    streams: int
    p99: float
    failed: str | None


def judge(streams: int, tally: Tally, limit: float) -> Verdict:
    """A level passes when the p99 is within `limit` (seconds) and every stream went well.

    A frame that was never answered counts as later than any limit.
    """
    p99 = percentile(np.append(tally.latencies, [math.inf] * tally.unanswered), 99)
    failed = None
    if tally.failures:
        failed = f"{len(tally.failures)} failures, such as {tally.failures[0].reason}"
    elif tally.late_messages > MAX_LATE_SHARE * tally.messages:
        failed = "the client was too late itself; give more --processes or another machine"
    elif math.isnan(p99):
        failed = "nothing was answered"
    elif p99 > limit:
        failed = f"p99 {1000 * p99:.1f} ms"
    return Verdict(streams, p99, failed)


def next_level(verdicts: Sequence[Verdict]) -> int | None:
    """How many streams to try next; None when the answer is known well enough."""
    passed = max((verdict.streams for verdict in verdicts if verdict.failed is None), default=0)
    failed = min((verdict.streams for verdict in verdicts if verdict.failed is not None), default=None)
    if failed is None:
        return 2 * passed
    if failed - passed <= max(1, PRECISION * passed):
        return None
    return (passed + failed) // 2


def largest(verdicts: Sequence[Verdict]) -> int:
    """The largest number of streams that passed; 0 when none did."""
    return max((verdict.streams for verdict in verdicts if verdict.failed is None), default=0)
