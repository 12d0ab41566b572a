"""Why a node may not go now: rules in order; the first that has something to say decides."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from gharial_api.conditions import Reason
from gharial_api.rollout import CONTROLLER_ANNOTATION, RolloutState
from gharial_api.words import count, names

from gharial_operator.policies.cards import Stage, failed
from gharial_operator.policies.rollout.round import Round
from gharial_operator.policies.rollout.view import NodeView
from gharial_operator.policies.rollout.windows import next_change, open_now

#: What the agent tells when it cannot flash until a person mends it.
STANDSTILLS = frozenset(
    {
        Reason.CHECKSUM_MISMATCH,
        Reason.BITSTREAM_UNAVAILABLE,
        Reason.LICENCE_VERSION_EXCEEDED,
        Reason.LICENCE_RELEASE_DATE_EXCEEDED,
    }
)


@dataclass(frozen=True)
class Held:
    """Why a node waits, and the state it waits in."""

    reason: Reason
    message: str
    state: RolloutState = "Pending"


Rule = Callable[[Round, NodeView], Held | None]


def controller_unknown(name: str) -> tuple[Reason, str]:
    """Reason and sentence for a node without the address of its machine's power controller."""
    message = (
        f"Nobody knows the power controller of {name}. Name it with: "
        f"kubectl annotate node {name} {CONTROLLER_ANNOTATION}=https://ADDRESS"
    )
    return Reason.POWER_CONTROLLER_UNKNOWN, message


def held(round: Round, view: NodeView) -> Held | None:
    """The first rule's answer; None when the node may go or go on.

    A node that goes to the new bitstream is asked everything; one that is on its way already, or gets its last good
    bitstream back, only what may still stop it.
    """
    rules: tuple[Rule, ...] = (_absent, _left_alone, _deleting, _paused, _standstill, _after_failure, _after_drain)
    back, taken = round.records[view.name].rolling_back, view.node.cordoned_by_us or view.allowed
    rules += (_no_controller,) if round.desired.whole_machine else ()
    rules += () if taken else (_unread,)
    rules += () if back else (_breaker, _window)
    rules += () if back or taken else (_canary,)
    rules += () if taken else (_budget,)
    for rule in (*rules, enough_left):
        answer = rule(round, view)
        if answer is not None:
            return answer
    return None


def _absent(round: Round, view: NodeView) -> Held | None:
    name = view.name
    if not view.node.ready:
        return Held(Reason.NODE_NOT_READY, f"{name} is not ready; the other nodes go on.")
    if view.node.cordoned and not view.node.cordoned_by_us:
        return Held(
            Reason.NODE_CORDONED_BY_ADMIN,
            f"{name} was cordoned by an admin and is left alone. Give it back with: kubectl uncordon {name}",
        )
    if not view.reported:
        return Held(Reason.AGENT_NOT_REPORTING, f"The agent of {name} has not reported its cards yet.")
    return None


def _unread(round: Round, view: NodeView) -> Held | None:
    """Whether a flash is possible at all, the agent says only after it has looked at the bitstream."""
    goal = round.goal(view)
    if goal is None or view.card_node is None or view.card_node.status.bitstream.target == goal.version:
        return None
    return Held(Reason.AGENT_NOT_REPORTING, f"The agent of {view.name} has not looked at bitstream {goal.version} yet.")


def _left_alone(round: Round, view: NodeView) -> Held | None:
    if view.node.cordoned or not view.node.cordon_mark:
        return None
    return Held(
        Reason.NODE_UNCORDONED_BY_ADMIN,
        f"An admin uncordoned {view.name} before its cards were flashed, and it is left alone. Let the rollout have it "
        f"with: kubectl annotate node {view.name} asr.gharial.dev/cordoned-for-",
    )


def _deleting(round: Round, view: NodeView) -> Held | None:
    return Held(Reason.DELETING, "The pool is being deleted.") if round.desired.deleting else None


def _paused(round: Round, view: NodeView) -> Held | None:
    if not round.desired.policy.paused:
        return None
    return Held(Reason.PAUSED_BY_ADMIN, "spec.upgradePolicy.paused is true; set it to false to go on.")


def _breaker(round: Round, view: NodeView) -> Held | None:
    sentence = round.breaker
    return Held(Reason.CIRCUIT_BREAKER_OPEN, sentence) if sentence else None


def _window(round: Round, view: NodeView) -> Held | None:
    windows = round.desired.policy.maintenance_windows
    change = next_change(windows, round.now)
    if change is not None:
        round.look_again(change)
    if open_now(windows, round.now):
        return None
    when = f"; the next one opens at {change:%a %d %b %H:%M} UTC" if change else ""
    return Held(Reason.OUTSIDE_MAINTENANCE_WINDOW, f"No maintenance window is open{when}.")


def _standstill(round: Round, view: NodeView) -> Held | None:
    trouble = view.agent_trouble
    if trouble is None or trouble[0] not in STANDSTILLS:
        return None
    return Held(Reason.named(trouble[0]) or Reason.WAITING_FOR_CARDS, trouble[1])


def _no_controller(round: Round, view: NodeView) -> Held | None:
    """A node whose machine nobody could switch off is not drained for nothing."""
    policy = round.desired.policy.power_cycle
    if policy is None or policy.provider != "redfish" or view.node.controller:
        return None
    return Held(*controller_unknown(view.name))


def _after_failure(round: Round, view: NodeView) -> Held | None:
    if round.stage(view) is not Stage.FAILED:
        return None
    goal = round.goal(view)
    version = goal.version if goal else None
    ended = max(c.last_flash.time for c in view.cards if c.last_flash and failed(c, version))
    again = ended + timedelta(seconds=_pause(round, round.attempts(view)))
    # A report from the future is the trace of a clock that jumped; it must not hold the node for ever.
    if again <= round.now or ended > round.now + timedelta(hours=1):
        return None
    round.look_again(again)
    message = f"A flash on {view.name} failed; it is tried again at {again:%H:%M:%S} UTC."
    return Held(Reason.BACKING_OFF, message, "Failed")


def _after_drain(round: Round, view: NodeView) -> Held | None:
    record = round.records[view.name]
    if record.failed_drains == 0 or record.state not in {"Failed", "RollingBack"}:
        return None
    if record.failed_drains > round.desired.policy.retries:
        return Held(
            Reason.DRAIN_TIMED_OUT,
            f"{view.name} could not be drained in {count(record.failed_drains, 'attempt')}. Look at its pods, then set "
            "spec.upgradePolicy.reset to a new word or raise spec.upgradePolicy.retries.",
            "Failed",
        )
    pause = _pause(round, record.failed_drains)
    if not view.heard:
        return Held(Reason.AGENT_NOT_REPORTING, f"The agent of {view.name} does not take note of its orders.", "Failed")
    if round.elapsed(view) >= pause:
        return None
    round.look_after(view, pause)
    return Held(Reason.BACKING_OFF, f"{view.name} could not be drained; it is tried again after {pause} s.", "Failed")


def _pause(round: Round, failures: int) -> int:
    return int(round.desired.policy.backoff_seconds * 2 ** min(max(0, failures - 1), 20))


def _canary(round: Round, view: NodeView) -> Held | None:
    canary = round.desired.policy.canary
    if canary is None:
        return None
    found = round.canaries
    first = (found.fit | found.sick | found.unfit | round.picked) - {view.name}
    if len(first) < canary.nodes:
        return None
    if len(found.fit) < canary.nodes:
        if found.sick:
            who = names(sorted(found.sick))
            return Held(Reason.CANARY_FAILED, f"The canary {who} is broken: no other node follows.")
        return Held(Reason.CANARY_SOAKING, f"Waiting until the canary serves with it: {names(sorted(first))}.")
    if not found.flashed:
        return None
    over = min(found.flashed[: canary.nodes][-1], round.now) + timedelta(seconds=canary.soak_seconds)
    if over <= round.now:
        return None
    round.look_again(over)
    watched = names(sorted(found.fit))
    return Held(Reason.CANARY_SOAKING, f"The canary ({watched}) is watched until {over:%H:%M:%S} UTC.")


def _budget(round: Round, view: NodeView) -> Held | None:
    if len(round.down - {view.name}) < round.budget:
        return None
    others = sorted(round.down - {view.name})
    return Held(
        Reason.WAITING_FOR_BUDGET,
        f"maxUnavailable allows {count(round.budget, 'node')} to be down, and {names(others)} already "
        f"{'is' if len(others) == 1 else 'are'}.",
    )


def enough_left(round: Round, view: NodeView) -> Held | None:
    """Whether the pool carries enough streams without the node."""
    least = round.desired.policy.min_available_streams
    left = round.carried_without(view)
    if round.carried[view.name] == 0 or left >= least:
        return None
    return Held(
        Reason.MIN_AVAILABLE_STREAMS,
        f"Without {view.name} the pool carries {count(left, 'stream')}, fewer than minAvailableStreams ({least}).",
    )
