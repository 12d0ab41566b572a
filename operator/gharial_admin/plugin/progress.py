"""How far a pool's rollout is: done, under way, or stopped until a person acts. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Literal

from gharial_api import AsrCardNode, AsrCardPool
from gharial_api.conditions import Reason
from gharial_api.words import count
from gharial_api.words import names as named

from gharial_admin.findings.rollout import STOPS, why
from gharial_admin.terminal import span

State = Literal["done", "under way", "stopped"]
#: Exit status of each.
STATUS: dict[State, int] = {"done": 0, "under way": 3, "stopped": 4}

MOVING = frozenset(
    {"Cordoned", "WaitingForStreams", "Drained", "Flashing", "PowerCycling", "Enumerating", "Validating", "Uncordoned"}
)
#: Somebody has to see to the machine's power, also on the way.
_POWER = frozenset({Reason.POWER_CYCLE_REQUIRED, Reason.POWER_CONTROLLER_UNKNOWN, Reason.POWER_CONTROLLER_FAILED})
#: Waits that time alone ends.
_TIMED = frozenset({Reason.BACKING_OFF, Reason.CANARY_SOAKING, Reason.OUTSIDE_MAINTENANCE_WINDOW})
#: Waits that end by themselves as a rule, and not when they last for so many seconds.
_PATIENT = frozenset({Reason.AGENT_NOT_REPORTING, Reason.WAITING_FOR_BUDGET, Reason.WAITING_FOR_CARDS, ""})
PATIENCE = 120.0


@dataclass(frozen=True)
class Progress:
    """Where a pool stands. says: one sentence. eta: what is left at the pace so far, None when nobody can tell."""

    state: State
    says: str
    done: int
    nodes: int
    eta: timedelta | None = None


def progress(pool: AsrCardPool, nodes: Sequence[AsrCardNode], now: datetime) -> Progress:
    """Judges a pool by what the operator has written of its nodes."""
    target = pool.spec.bitstream
    finished = [node for node in nodes if node.spec.rollout.state == "Done"]
    left = [node for node in nodes if node.spec.rollout.state != "Done"]
    done, total = len(finished), len(nodes)
    if target is None:
        return Progress("done", "spec.bitstream is not set: cards keep the one they have.", done, total)
    if pool.status.observed_generation < pool.metadata.generation:
        says = "The operator has not looked at the last change yet. If it stays so: gharial check"
        return Progress("under way", says, 0, total)
    if not nodes:
        return Progress("stopped", "The pool has no nodes with cards. Why: kubectl gharial status", 0, 0)
    head = f"{done} of {count(total, 'node')} on {target.version}"
    if not left:
        return Progress("done", f"{head}.", done, total)
    moving = [node for node in left if node.spec.rollout.state in MOVING and why(node)[0] not in _POWER]
    if moving:
        who = named(f"{node.spec.node_name} ({node.spec.rollout.state})" for node in moving)
        return Progress("under way", f"{head}; under way: {who}.", done, total, _eta(pool, finished, len(left)))
    waiting = [node for node in left if not _stuck(node, now)]
    # What waits for a node that only a person can mend waits for the person.
    if waiting and not (len(waiting) < len(left) and all(why(node)[0] in _PATIENT for node in waiting)):
        return Progress("under way", f"{head}; {why(waiting[0])[1]}", done, total)
    stopped = next((node for node in left if _stuck(node, now)), left[0])
    return Progress("stopped", f"{head}; {why(stopped)[1]}", done, total)


def _stuck(node: AsrCardNode, now: datetime) -> bool:
    """Whether only a person can end the node's wait."""
    reason, since = why(node)[0], node.spec.rollout.since
    if reason in _TIMED:
        return False
    if reason in _PATIENT:
        return since is not None and (now - since).total_seconds() > PATIENCE
    return reason in STOPS or reason in _FOR_A_PERSON


_FOR_A_PERSON = frozenset(
    {
        Reason.PAUSED_BY_ADMIN,
        Reason.NODE_NOT_READY,
        Reason.CARD_UNHEALTHY,
        Reason.MIN_AVAILABLE_STREAMS,
        Reason.DELETING,
    }
)


def _eta(pool: AsrCardPool, finished: Sequence[AsrCardNode], left: int) -> timedelta | None:
    """The time left at the pace of the nodes that are done; only with three of them, and where no pause is planned."""
    policy = pool.spec.upgrade_policy
    version = pool.spec.bitstream.version if pool.spec.bitstream else ""
    if policy.maintenance_windows or policy.canary:
        return None
    ends = sorted(
        max(card.last_flash.time for card in node.status.cards if card.last_flash)
        for node in finished
        if any(card.last_flash and card.last_flash.version == version for card in node.status.cards)
    )
    if len(ends) < 3:
        return None
    gaps = [(after - before).total_seconds() for before, after in pairwise(ends)]
    return timedelta(seconds=median(gaps) * left)


def eta_words(found: Progress) -> str:
    """`about 12m to go at the pace so far`; empty when nobody can tell."""
    return f"about {span(found.eta.total_seconds())} to go at the pace so far" if found.eta else ""
