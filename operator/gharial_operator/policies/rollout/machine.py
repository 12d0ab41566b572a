"""The state machine: what becomes of each node now. Everything is decided from what is seen and what was stored."""

from collections.abc import Sequence
from datetime import datetime

from gharial_api.conditions import Reason
from gharial_api.names import POOL_LABEL
from gharial_api.rollout import ROLLOUT_LABEL, RolloutState
from gharial_api.words import count

from gharial_operator.policies.cards import Stage, streams_used, usable
from gharial_operator.policies.rollout.drain import AGENT_SECONDS, break_off, drain, give_back, unmark
from gharial_operator.policies.rollout.holds import STANDSTILLS, Held, held
from gharial_operator.policies.rollout.plan import Action, Label, Plan, Tell, Uncordon
from gharial_operator.policies.rollout.power import power_cycle
from gharial_operator.policies.rollout.round import Decision, Round
from gharial_operator.policies.rollout.standing import begun, busy_state, words_while_flashing
from gharial_operator.policies.rollout.view import Desired, NodeView

_TRY_AGAIN = "Mend the cause, then set spec.upgradePolicy.reset to a new word to try again."


def rollout(views: Sequence[NodeView], desired: Desired, now: datetime) -> Plan:
    """What becomes of every node of the pool.

    Args:
        views: the pool's nodes as they are now.
        desired: what the pool asks for.
        now: the time, in UTC.
    """
    round = Round(views, desired, now)
    decisions = {}
    # Who is on the way goes first, then idle nodes, so that a rollout moves as few streams as it can.
    for view in sorted(views, key=lambda v: (v.name not in round.picked, _serves(v), v.name)):
        decision = _decide(round, view)
        round.settle(view, decision)
        decisions[view.name] = decision
    return Plan(
        nodes={name: decision.plan for name, decision in decisions.items()},
        actions=_in_order([(view, decisions[view.name]) for view in views]),
        recheck=round.recheck,
        breaker=round.breaker,
        machines=round.machines,
    )


def _in_order(decisions: Sequence[tuple[NodeView, Decision]]) -> tuple[Action, ...]:
    """What was decided is stored first, permissions are given last: no moment shows more than was decided."""
    holds = [Tell(d.plan) for _, d in decisions if d.plan.flash == "Hold"]
    effects = [action for _, d in decisions for action in d.actions]
    allows = [Tell(d.plan) for _, d in decisions if d.plan.flash == "Allowed"]
    shown = [Label(view.name, d.plan.pool, d.plan.state) for view, d in decisions if not _shows(view, d)]
    return (*holds, *effects, *allows, *shown)


def _shows(view: NodeView, decision: Decision) -> bool:
    if view.node.deleted:
        return True
    labels = view.node.labels
    return (labels.get(POOL_LABEL), labels.get(ROLLOUT_LABEL)) == (decision.plan.pool, decision.plan.state)


def _decide(round: Round, view: NodeView) -> Decision:
    """The first step that knows what becomes of the node says it."""
    for step in (power_cycle, _under_way, _arrived, _given_up, _dead, _waits):
        decision = step(round, view)
        if decision is not None:
            return decision
    return drain(round, view)


def _under_way(round: Round, view: NodeView) -> Decision | None:
    """Cards are being written or brought back: what has begun is finished, whatever is wanted meanwhile."""
    record, busy = round.records[view.name], round.stage(view) is Stage.BUSY
    if not busy:
        between_cards = begun(view, record) and round.stage(view) is Stage.WANTS
        if not between_cards or (view.agent_trouble or ("", ""))[0] in STANDSTILLS:
            return None
        if round.elapsed(view) >= AGENT_SECONDS:
            message = f"The agent of {view.name} does not go on with its next card."
            return break_off(round, view, Held(Reason.AGENT_NOT_REPORTING, message, "Failed"))
        round.look_after(view, AGENT_SECONDS)
    state: RolloutState = busy_state(view) if busy else record.state
    reason, message = words_while_flashing(view)
    plan = round.plan(view, state, reason, message, flash="Allowed" if view.allowed else "Hold")
    return Decision(plan, moving=True)


def _arrived(round: Round, view: NodeView) -> Decision | None:
    """Every card has what it shall have: the node is given back, then it is done."""
    if round.stage(view) is not Stage.DONE:
        return None
    record = round.records[view.name]
    if view.node.cordoned_by_us:
        message = f"Every card of {view.name} has its bitstream; the node is given back."
        return Decision(
            round.plan(view, "Uncordoned", Reason.UNCORDONING, message), (Uncordon(view.name),), moving=True
        )
    actions = unmark(view)
    if record.rolling_back and record.last_good is not None:
        message = (
            f"{round.target} failed on {view.name}, which serves with {record.last_good.version} again. {_TRY_AGAIN}"
        )
        return Decision(round.plan(view, "RolledBack", Reason.ROLLED_BACK, message), actions)
    if round.desired.target is None:
        message = "The pool names no bitstream: cards keep the one they have."
        return Decision(round.plan(view, "Done", Reason.AS_EXPECTED, message), actions)
    good = view.cards and all(usable(card) for card in view.cards)
    last_good = round.desired.target if good else record.last_good
    message = f"Every card runs bitstream {round.target}."
    changes = {"last_good": last_good, "attempts": 0, "failed_drains": 0}
    return Decision(round.plan(view, "Done", Reason.AS_EXPECTED, message, changes=changes), actions)


def _given_up(round: Round, view: NodeView) -> Decision | None:
    """The new bitstream failed too often here: back to the last good one, or out of the rollout."""
    if not round.given_up(view):
        return None
    record, policy = round.records[view.name], round.desired.policy
    times, failures = count(round.attempts(view), "time"), round.attempts(view)
    if record.rolling_back:
        if failures <= policy.retries and record.state != "Quarantined":
            return None
        message = f"Neither {round.target} nor the last good bitstream could be flashed on {view.name}. {_TRY_AGAIN}"
        return give_back(round, view, Held(Reason.FLASH_FAILED, message, "Quarantined"))
    good = record.last_good
    if policy.rollback_on_failure and good is not None and good != round.desired.target:
        message = f"{round.target} failed on {view.name} {times}; it gets {good.version} back."
        changes = {"attempts": failures, "rolling_back": True, "failed_drains": 0}
        plan = round.plan(view, "RollingBack", Reason.ROLLING_BACK, message, changes=changes)
        return Decision(plan, moving=True)
    unknown = " No earlier bitstream is known to have been good here." if policy.rollback_on_failure else ""
    message = f"Flashing {view.name} failed {times}.{unknown} {_TRY_AGAIN}"
    return give_back(round, view, Held(Reason.FLASH_FAILED, message, "Quarantined"), attempts=failures)


def _dead(round: Round, view: NodeView) -> Decision | None:
    """The cards that lack the bitstream cannot be written to."""
    if round.stage(view) is not Stage.BROKEN:
        return None
    said = next((card.health_message for card in view.cards if card.health == "Unhealthy"), None)
    message = f"No card of {view.name} that lacks the bitstream can be flashed. {said or ''}".strip()
    return give_back(round, view, Held(Reason.CARD_UNHEALTHY, message, "Failed"))


def _waits(round: Round, view: NodeView) -> Decision | None:
    """A rule says that the node may not go, or not go on."""
    answer = held(round, view)
    return None if answer is None else give_back(round, view, answer)


def _serves(view: NodeView) -> bool:
    return view.card_node is not None and streams_used(view.card_node) > 0
