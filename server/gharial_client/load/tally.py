"""What one process saw of one measurement. Times are of the monotonic clock, which all processes of a machine share."""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["refusal", "error"]


@dataclass(frozen=True)
class Failure:
    """A stream that could not begin (refusal: the server said no) or did not go well (error)."""

    at: float
    kind: Kind
    reason: str


def _floats() -> "array[float]":
    return array("d")


@dataclass(slots=True)
class Tally:
    """Counts what was sent from `begin` until `end`; failures and streams from the ramp on.

    latencies: seconds, of frames sent at sent_at; closings: seconds; samples, messages: sent; speaking: how many
    streams took audio, by the time since `begin`; unanswered: frames sent whose answer never came; cpu_seconds: of
    this process.
    """

    begin: float
    end: float
    latencies: "array[float]" = field(default_factory=_floats)
    sent_at: "array[float]" = field(default_factory=_floats)
    closings: "array[float]" = field(default_factory=_floats)
    failures: list[Failure] = field(default_factory=list)
    speaking: Counter[float] = field(default_factory=Counter)
    answers: int = 0
    samples: int = 0
    messages: int = 0
    late_messages: int = 0
    completed: int = 0
    unanswered: int = 0
    cpu_seconds: float = 0.0

    def counts(self, now: float) -> bool:
        """Whether what happens now is measured."""
        return self.begin <= now < self.end


def merged(tallies: Iterable[Tally]) -> Tally:
    """The tallies of several processes for the same time as one."""
    first, *others = tallies
    for other in others:
        first.latencies.extend(other.latencies)
        first.sent_at.extend(other.sent_at)
        first.closings.extend(other.closings)
        first.failures += other.failures
        first.answers += other.answers
        first.samples += other.samples
        first.messages += other.messages
        first.late_messages += other.late_messages
        first.completed += other.completed
        first.unanswered += other.unanswered
        first.cpu_seconds += other.cpu_seconds
        first.speaking.update(other.speaking)
    first.failures.sort(key=lambda failure: failure.at)
    return first
