"""What a user feels: how long after a frame's last sample was sent its answer arrives."""

import math
from collections.abc import Sequence

from gharial_wire.audio import FRAME_SECONDS


class LatencyMeter:
    """Matches the answers of one connection to the frames that caused them, by the end of their interval."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._sent_at: list[float] = []
        self._answered = 0

    def sent(self, audio_seconds: float, now: float) -> None:
        """All audio up to `audio_seconds` of this connection has been sent by `now`."""
        complete = math.floor(audio_seconds / FRAME_SECONDS + 1e-6)
        self._sent_at += [now] * (complete - len(self._sent_at))

    def answered(self, end: float, now: float) -> None:
        """An answer came whose interval ends at `end`. Each frame counts once: for its first answer."""
        frame = round(end / FRAME_SECONDS)
        if self._answered < frame <= len(self._sent_at):
            self.seconds.append(now - self._sent_at[frame - 1])
            self._answered = frame


def percentile(seconds: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed; NaN of nothing."""
    if not seconds:
        return math.nan
    ordered = sorted(seconds)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
