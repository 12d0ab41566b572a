"""What state resets are told. docs/reference/decoding-resets.md explains them."""

import math
from dataclasses import dataclass

SHORTEST_OVERLAP = 20
"""Steps (1.2 s at 60 ms) that a new lane needs to warm up and to be laid beside the old one."""


@dataclass(frozen=True)
class ResetSettings:
    """Segments of so many seconds, of which each shares so many with the next (CAIMAN-ASR documentation: 15 and 3)."""

    segment_seconds: float = 15.0
    overlap_seconds: float = 3.0

    def steps(self, step_seconds: float) -> "ResetSteps":
        """The same in steps. Raises ValueError."""
        segment = _whole("segment", self.segment_seconds, step_seconds)
        overlap = _whole("overlap", self.overlap_seconds, step_seconds)
        if overlap < SHORTEST_OVERLAP or 2 * overlap > segment:
            least, most = SHORTEST_OVERLAP * step_seconds, self.segment_seconds / 2
            raise ValueError(
                f"the overlap of state resets is {self.overlap_seconds:g} s; "
                f"give {least:g} s or more, and at most half a segment ({most:g} s)"
            )
        return ResetSteps(segment, overlap)


@dataclass(frozen=True)
class ResetSteps:
    """Lengths in encoder frames. A lane lives for `segment`; the next begins `overlap` before it ends."""

    segment: int
    overlap: int

    @property
    def stride(self) -> int:
        """From one lane's beginning to the next's."""
        return self.segment - self.overlap

    @property
    def rows_per_stream(self) -> float:
        """Rows that a long stream takes of a step on average: 1.25 at 15 s and 3 s."""
        return self.segment / self.stride


def _whole(name: str, seconds: float, step_seconds: float) -> int:
    steps = round(seconds / step_seconds) if math.isfinite(seconds) else 0
    if steps < 1 or abs(steps * step_seconds - seconds) > 1e-6:
        raise ValueError(
            f"the {name} of state resets is {seconds:g} s; give a multiple of {step_seconds:g} s, such as "
            f"{max(steps, SHORTEST_OVERLAP) * step_seconds:g}"
        )
    return steps
