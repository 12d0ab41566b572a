"""Where a node stands, before any rule: read from the cards' reports, and from what was stored of its way."""

from datetime import datetime

from gharial_api.bitstream import Bitstream
from gharial_api.conditions import Reason
from gharial_api.node import BUSY_PHASES, Card
from gharial_api.rollout import SWITCHING, NodeRollout, RolloutState

from gharial_operator.policies.cards import Stage, broken, failed, stage, usable
from gharial_operator.policies.rollout.view import Desired, NodeView

#: The node is ours, and nothing has been written to its cards yet.
BEFORE_FLASHING: frozenset[RolloutState] = frozenset({"Cordoned", "WaitingForStreams", "Drained"})
#: Its cards are being written or brought back.
WHILE_FLASHING: frozenset[RolloutState] = frozenset({"Flashing", "PowerCycling", "Enumerating", "Validating"})
#: States in which something moves by itself.
MOVING: frozenset[RolloutState] = BEFORE_FLASHING | WHILE_FLASHING | {"Uncordoned"}
_ORDER: tuple[RolloutState, ...] = ("Flashing", "PowerCycling", "Enumerating", "Validating")


def refreshed(view: NodeView, desired: Desired, now: datetime) -> NodeRollout:
    """The stored record as it counts for the present goal: another goal forgives what failed before.

    A moment in the future is the trace of a clock that jumped; it counts as now.
    """
    record = view.record
    if record.since is not None and record.since > now:
        record = record.model_copy(update={"since": now.replace(microsecond=0)})
    if record.power is not None and record.power.since > now:
        power = record.power.model_copy(update={"since": now.replace(microsecond=0)})
        record = record.model_copy(update={"power": power})
    made = agent_attempts(view, desired.target)
    if desired.goal and record.goal != desired.goal:
        on_the_way = record.state in BEFORE_FLASHING | WHILE_FLASHING
        changes = {
            "state": record.state if on_the_way else "Pending",
            "goal": desired.goal,
            "since": record.since if on_the_way or record.state == "Pending" else None,
            # Before the first goal nothing was forgiven: what the agent reports then is a failure of this one.
            "forgiven": made if record.goal else 0,
            "attempts": 0,
            "failed_drains": 0,
            "rolling_back": False,
        }
        return record.model_copy(update=changes)
    if 0 < made < record.forgiven:
        # The agent counts anew, so the file is another one.
        return record.model_copy(update={"forgiven": 0})
    return record


def agent_attempts(view: NodeView, target: Bitstream | None) -> int:
    """Failed attempts in a row at the target, as the agent counts them."""
    version = target.version if target else None
    return max((c.last_flash.attempt for c in _behind(view, target) if c.last_flash and failed(c, version)), default=0)


def standing(view: NodeView, target: Bitstream | None, forgiven: int) -> Stage:
    """Where the node stands on its way to a target, forgiven failures left out."""
    found = stage(view.card_node, target.version if target else None)
    if found is Stage.FAILED and agent_attempts(view, target) <= forgiven:
        found = Stage.WANTS
    if found is Stage.WANTS and not any(flashable(card) for card in _behind(view, target)):
        return Stage.BROKEN
    return found


def flashable(card: Card) -> bool:
    """Whether the agent would flash this card if it might: after a failed flash it does, a dead card it leaves."""
    return not broken(card) or (card.last_flash is not None and card.last_flash.result == "Failed")


def _behind(view: NodeView, target: Bitstream | None) -> list[Card]:
    return [card for card in view.cards if target is not None and card.bitstream != target.version]


def busy_state(view: NodeView) -> RolloutState:
    """State of a node whose cards are on their way."""
    phases = {card.phase for card in view.cards if card.phase in BUSY_PHASES}
    return next(state for state in _ORDER if state in phases)


def words_while_flashing(view: NodeView) -> tuple[Reason, str]:
    """Reason and sentence for a node whose cards are being written or brought back."""
    if not view.node.ready:
        return Reason.NODE_NOT_READY, f"{view.name} was lost while its cards were being flashed."
    if view.agent_trouble is not None and view.agent_trouble[0] == Reason.FLASH_TOOL_SILENT:
        return Reason.FLASH_TOOL_SILENT, view.agent_trouble[1]
    return Reason.FLASHING, "Cards are being flashed or checked; what has begun is finished."


def begun(view: NodeView, record: NodeRollout) -> bool:
    """Whether a card of the node was flashed since the permission was given: what is under way is finished."""
    return view.allowed and record.state in WHILE_FLASHING


def chosen(view: NodeView, record: NodeRollout) -> bool:
    """Whether the node was picked already, also by an operator that died right after it had written that down."""
    return view.node.cordoned_by_us or view.allowed or record.state in BEFORE_FLASHING


def switching(record: NodeRollout) -> bool:
    """Whether the node's machine is on its way off or on again, by our doing."""
    return record.power is not None and record.power.step in SWITCHING


def out_of_service(view: NodeView) -> bool:
    """Whether the node has cards, and none of them can serve."""
    return bool(view.cards) and not any(usable(card) for card in view.cards)
