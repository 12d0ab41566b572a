"""A verdict is one condition's content; conditions are verdicts with a history."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from gharial_api.conditions import Condition, ConditionType, Reason, Status

Facts = TypeVar("Facts")


@dataclass(frozen=True)
class Verdict:
    """Status, reason and sentence of one condition."""

    status: Status
    reason: Reason
    message: str


def yes(reason: Reason, message: str) -> Verdict:
    """The condition is True."""
    return Verdict("True", reason, message)


def no(reason: Reason, message: str) -> Verdict:
    """The condition is False."""
    return Verdict("False", reason, message)


def first(facts: Facts, checks: Iterable[Callable[[Facts], Verdict | None]], otherwise: Verdict) -> Verdict:
    """Verdict of the first check that has one: checks stand in order of what matters most."""
    for check in checks:
        verdict = check(facts)
        if verdict is not None:
            return verdict
    return otherwise


def conditions(
    before: Iterable[Condition], verdicts: Mapping[ConditionType, Verdict], generation: int, now: datetime
) -> list[Condition]:
    """Conditions for the verdicts; the time of the last transition stays where status has not changed."""
    old = {condition.type: condition for condition in before}
    result = []
    for kind, verdict in verdicts.items():
        previous = old.get(kind)
        same = previous is not None and previous.status == verdict.status
        result.append(
            Condition(
                type=str(kind),
                status=verdict.status,
                reason=str(verdict.reason),
                message=verdict.message,
                last_transition_time=previous.last_transition_time if same and previous else now.replace(microsecond=0),
                observed_generation=generation,
            )
        )
    return result


@dataclass(frozen=True)
class Transition:
    """A condition that changed its status or its reason: worth one event."""

    condition: Condition
    normal: bool


#: Conditions that are good when False.
_GOOD_WHEN_FALSE = frozenset({ConditionType.DEGRADED, ConditionType.UPGRADE_PAUSED})


def transitions(before: Iterable[Condition], after: Iterable[Condition]) -> list[Transition]:
    """What to tell: conditions whose status or reason is not what it was. A first look at a quiet one tells nothing."""
    old = {condition.type: (condition.status, condition.reason) for condition in before}
    told = []
    for condition in after:
        if old.get(condition.type) == (condition.status, condition.reason):
            continue
        quiet = condition.type in _GOOD_WHEN_FALSE or condition.type == ConditionType.PROGRESSING
        if condition.type not in old and quiet and condition.status == "False":
            continue
        bad = "True" if condition.type in _GOOD_WHEN_FALSE else "False"
        normal = condition.status != bad or condition.type == ConditionType.PROGRESSING
        told.append(Transition(condition, normal))
    return told
