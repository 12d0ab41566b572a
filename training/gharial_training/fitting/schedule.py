"""Schedules over a run's progress in [0, 1], and the clock that gives the progress."""

import math
import time
from dataclasses import dataclass, field

from gharial_training.fitting.recipe import Schedule


@dataclass(frozen=True)
class Clock:
    """Progress by wall time: from `begin` (0, or where a run was resumed) to 1 within `minutes`."""

    minutes: float
    begin: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def progress(self, now: float | None = None) -> float:
        """Share of the run that is over."""
        elapsed = (time.monotonic() if now is None else now) - self.started
        return min(1.0, self.begin + (1 - self.begin) * elapsed / (60 * self.minutes))


def learning_rate(progress: float, schedule: Schedule) -> float:
    """Linear rise, hold, then a fall by the same factor in every equal time."""
    if progress < schedule.warm_up:
        return schedule.learning_rate * max(progress / schedule.warm_up, 1e-2)
    if progress < schedule.hold:
        return schedule.learning_rate
    fallen = (progress - schedule.hold) / (1 - schedule.hold)
    return schedule.learning_rate * math.exp(fallen * math.log(schedule.final_learning_rate / schedule.learning_rate))
