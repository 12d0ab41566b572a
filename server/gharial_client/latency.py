"""What a user feels: how long after a frame's last sample was sent the first answer comes that covers it."""

import math
from collections.abc import Sequence

import numpy as np
from gharial_wire.audio import FRAME_SAMPLES, FRAME_SECONDS
from numpy.typing import NDArray

# Answers give times to the millisecond.
_TOLERANCE = 0.02


class LatencyMeter:
    """Matches the answers of one connection to the frames that they cover, by the end of their interval."""

    __slots__ = ("_answered", "_sent_at")

    def __init__(self) -> None:
        self._sent_at: list[float] = []
        self._answered = 0

    def sent(self, samples: int, now: float) -> None:
        """The first `samples` of this connection have been sent by `now`."""
        sent_at = self._sent_at
        while (len(sent_at) + 1) * FRAME_SAMPLES <= samples:
            sent_at.append(now)

    def answered(self, end: float) -> list[float]:
        """An answer came whose interval ends at `end`: when the frames were sent for which it is the first."""
        first, sent_at = self._answered, self._sent_at
        frame = int(end / FRAME_SECONDS + _TOLERANCE)
        if frame > len(sent_at):
            frame = len(sent_at)
        if frame <= first:
            return []
        self._answered = frame
        return sent_at[first:frame]

    def unanswered(self) -> list[float]:
        """When the frames were sent that have no answer yet."""
        return self._sent_at[self._answered :]


def percentile(seconds: "Sequence[float] | NDArray[np.float64]", percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed; NaN of nothing."""
    ordered = np.sort(np.asarray(seconds, dtype=np.float64))
    return float(ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]) if len(ordered) else math.nan
