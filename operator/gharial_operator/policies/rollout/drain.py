"""Taking a node out of service for its flash, and giving it back."""

from collections.abc import Iterable
from typing import Any

from gharial_api.conditions import Reason
from gharial_api.names import POOL_LABEL
from gharial_api.rollout import RolloutState
from gharial_api.words import names

from gharial_operator.facts import NodeFacts
from gharial_operator.policies.cards import streams_used
from gharial_operator.policies.rollout.holds import Held
from gharial_operator.policies.rollout.plan import (
    FORCED_GRACE_SECONDS,
    Action,
    Cordon,
    Evict,
    Label,
    Terminate,
    Uncordon,
    Unmark,
)
from gharial_operator.policies.rollout.round import Decision, Round
from gharial_operator.policies.rollout.view import NodeView

#: An agent that does nothing with its permission, or takes no note of its end, is waited for so long.
AGENT_SECONDS = 600
#: An eviction that a budget forbids is asked for again after so long.
EVICT_SECONDS = 5


def drain(round: Round, view: NodeView) -> Decision:
    """The node may go: cordon, let pods and streams go, then allow the flash."""
    name = view.name
    if not view.node.cordoned_by_us:
        message = f"{name} is next to get its bitstream and is closed for new pods."
        return Decision(round.plan(view, "Cordoned", Reason.CORDONING, message), (Cordon(name),), moving=True)
    if view.pods or serves(view):
        return _wait_for_streams(round, view)
    if view.allowed:
        if round.elapsed(view) >= AGENT_SECONDS:
            said = (view.agent_trouble or ("", "It says nothing."))[1]
            message = f"The agent of {name} had leave for {AGENT_SECONDS} s and has not begun. {said}"
            return break_off(round, view, Held(Reason.AGENT_NOT_REPORTING, message, "Failed"))
        round.look_after(view, AGENT_SECONDS)
    goal = round.goal(view)
    message = f"Cards of {name} may be flashed to {goal.version if goal else 'no bitstream'}."
    return Decision(round.plan(view, "Drained", Reason.FLASH_ALLOWED, message, flash="Allowed"), moving=True)


def _wait_for_streams(round: Round, view: NodeView) -> Decision:
    policy, name, state = round.desired.policy.drain, view.name, "WaitingForStreams"
    waiting = round.records[name].state == state
    late = waiting and round.elapsed(view) >= policy.timeout_seconds
    if late and policy.on_timeout == "Abort":
        message = f"{name} was not drained within {policy.timeout_seconds} s."
        return break_off(round, view, Held(Reason.DRAIN_TIMED_OUT, message, "Failed"))
    if not late:
        round.look_in(policy.timeout_seconds - (round.elapsed(view) if waiting else 0))
    reason, message = what_stays(view)
    if late:
        reason, message = Reason.DRAIN_TIMED_OUT, f"Longer than {policy.timeout_seconds} s: {message}"
    actions = send_away(round, view)
    if late and policy.on_timeout == "Force":
        actions = tuple(Terminate(pod) for pod in view.pods if not pod.terminating or pod.grace > FORCED_GRACE_SECONDS)
    return Decision(round.plan(view, "WaitingForStreams", reason, message), actions, moving=True)


def send_away(round: Round, view: NodeView) -> tuple[Action, ...]:
    """Asks the node's pods to go; the operator's own one when the others are gone, so that another replica goes on."""
    staying = [pod for pod in view.pods if not pod.terminating]
    last = all(pod.own for pod in view.pods)
    # Pods that are no model's go without an event that would wake the pool.
    if staying or (view.pods and round.desired.whole_machine):
        round.look_in(EVICT_SECONDS)
    ripe = [pod for pod in staying if not pod.blocked and not pod.starting]
    return tuple(Evict(pod) for pod in ripe if last or not pod.own)


def what_stays(view: NodeView) -> tuple[Reason, str]:
    """What a drain waits for."""
    blocked = [pod for pod in view.pods if pod.blocked and not pod.terminating]
    if blocked:
        who = names(f"{pod.namespace}/{pod.name}" for pod in blocked)
        return Reason.PDB_BLOCKED, f"{who} on {view.name} may not go now: {blocked[0].blocked}"
    if view.pods:
        who = names(f"{pod.namespace}/{pod.name}" for pod in view.pods)
        return Reason.WAITING_FOR_STREAMS, f"Pods leave {view.name} when their streams have ended: {who}."
    message = f"No pod that could be sent away is left on {view.name}, and its cards still serve streams."
    return Reason.WAITING_FOR_STREAMS, message


def break_off(round: Round, view: NodeView, why: Held) -> Decision:
    """The attempt has come to nothing, and is counted."""
    return give_back(round, view, why, failed_drains=round.records[view.name].failed_drains + 1)


def give_back(round: Round, view: NodeView, why: Held, **changes: Any) -> Decision:
    """The node waits, and nothing of ours stays on it.

    A permission is withdrawn first; the cordon goes when the agent has taken note, so that no flash begins on a node
    that does not count as down any more. A node that is lost, and an agent that stays silent, are not waited for.
    """
    state: RolloutState = why.state
    plan = round.plan(view, state, why.reason, why.message, changes=changes)
    silent = plan.state == round.records[view.name].state and round.elapsed(view) >= AGENT_SECONDS
    if (view.allowed or (view.node.cordoned_by_us and not view.heard)) and view.node.ready and not silent:
        round.look_in(AGENT_SECONDS)
        return Decision(plan, moving=True)
    if view.node.cordoned_by_us:
        return Decision(plan, (Uncordon(view.name),))
    return Decision(plan, unmark(view) if why.reason is not Reason.NODE_UNCORDONED_BY_ADMIN else ())


def unmark(view: NodeView) -> tuple[Action, ...]:
    """Takes our mark off a node whose cordon is not ours."""
    return (Unmark(view.name),) if view.node.cordon_mark and not view.node.cordoned_by_us else ()


def leave(nodes: Iterable[NodeFacts], pool: str) -> tuple[Action, ...]:
    """Takes everything of a pool, which may be gone already, off nodes that are not, or no longer, its own."""
    actions: list[Action] = []
    for node in nodes:
        if node.cordon_mark == pool:
            actions.append(Uncordon(node.name) if node.cordoned_by_us else Unmark(node.name))
        if node.labels.get(POOL_LABEL) == pool:
            actions.append(Label(node.name, pool, None))
    return tuple(actions)


def serves(view: NodeView) -> bool:
    """Whether a card of the node serves a stream."""
    return view.card_node is not None and streams_used(view.card_node) > 0
