"""One round of decisions: the pool's nodes, and what the decisions so far have used up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from gharial_api.bitstream import Bitstream
from gharial_api.conditions import Reason
from gharial_api.node import Card
from gharial_api.rollout import NodeRollout, RolloutState
from gharial_api.words import count, names

from gharial_operator.policies.cards import Stage, broken, usable, usable_streams
from gharial_operator.policies.rollout.plan import Action, Machine, NodePlan
from gharial_operator.policies.rollout.standing import (
    agent_attempts,
    begun,
    chosen,
    out_of_service,
    refreshed,
    standing,
    switching,
)
from gharial_operator.policies.rollout.view import Desired, NodeView
from gharial_operator.quantity import of_total


@dataclass(frozen=True)
class Decision:
    """What becomes of one node in this round. moving: whether it is, or stays, on its way."""

    plan: NodePlan
    actions: tuple[Action, ...] = ()
    moving: bool = False


@dataclass(frozen=True)
class Canaries:
    """Nodes by what the new bitstream did to them: broken or given up; fit for service; neither yet.

    flashed: when the fit ones got it, the earliest first.
    """

    sick: frozenset[str]
    fit: frozenset[str]
    unfit: frozenset[str]
    flashed: tuple[datetime, ...]


@dataclass
class Round:
    """The pool's nodes on their way to one bitstream, and the decisions made so far in this round."""

    views: Sequence[NodeView]
    desired: Desired
    now: datetime
    records: dict[str, NodeRollout] = field(default_factory=dict)
    #: Nodes out of service, and those on their way.
    down: set[str] = field(default_factory=set)
    picked: set[str] = field(default_factory=set)
    recheck: float | None = None
    #: Machines whose power is to be watched, by node.
    machines: dict[str, Machine] = field(default_factory=dict)
    #: A pool may have a thousand nodes, and every rule asks about the others: what does not change is worked out once.
    _stages: dict[str, Stage] = field(default_factory=dict)
    _given_up: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.records = {view.name: refreshed(view, self.desired, self.now) for view in self.views}
        for view in self.views:
            if self.records[view.name].rolling_back and not self.given_up(view):
                # The admin raised retries: forward again.
                self.records[view.name] = self.records[view.name].model_copy(update={"rolling_back": False})
        self.picked = {view.name for view in self.views if self._under_way(view)}
        self.down = self.picked | {view.name for view in self.views if self.is_down(view)}

    @property
    def target(self) -> str:
        """Version that the cards shall run."""
        return self.desired.target.version if self.desired.target else ""

    @property
    def budget(self) -> int:
        """Nodes that may be down at a time."""
        return max(1, of_total(self.desired.policy.max_unavailable, len(self.views)))

    def goal(self, view: NodeView) -> Bitstream | None:
        """The bitstream that this node is on the way to."""
        record = self.records[view.name]
        return record.last_good if record.rolling_back else self.desired.target

    def stage(self, view: NodeView) -> Stage:
        """Where a node stands on the way to its own goal."""
        if view.name not in self._stages:
            record = self.records[view.name]
            self._stages[view.name] = standing(view, self.goal(view), 0 if record.rolling_back else record.forgiven)
        return self._stages[view.name]

    def attempts(self, view: NodeView) -> int:
        """Failed attempts at the node's own goal that count."""
        record = self.records[view.name]
        made = agent_attempts(view, self.goal(view))
        return made if record.rolling_back else max(record.attempts, made - record.forgiven)

    def given_up(self, view: NodeView) -> bool:
        """Whether the target has failed too often on this node."""
        if view.name not in self._given_up:
            record = self.records[view.name]
            used = max(record.attempts, agent_attempts(view, self.desired.target) - record.forgiven)
            self._given_up[view.name] = used > self.desired.policy.retries
        return self._given_up[view.name]

    @cached_property
    def breaker(self) -> str:
        """The sentence of the open circuit breaker; empty while it is closed."""
        bad = [v.name for v in self.views if self.given_up(v) or any(broken(c) and not _may_retry(c) for c in v.cards)]
        limit = self.desired.health.max_unhealthy_percent
        if len(bad) * 100 <= limit * len(self.views):
            return ""
        return (
            f"{len(bad)} of {count(len(self.views), 'node')} ({names(bad)}) broken, more than maxUnhealthyPercent "
            f"({limit} %): no further node is flashed. Mend the cause, then set spec.upgradePolicy.reset to a new word "
            "or raise spec.upgradePolicy.retries to try them again, or take the nodes out of the pool."
        )

    @cached_property
    def canaries(self) -> Canaries:
        """What nodes that got the bitstream first have made of it."""
        sick = {v.name for v in self.views if self.given_up(v)}
        done = [v for v in self.views if self.stage(v) is Stage.DONE]
        sick |= {v.name for v in done if any(broken(card) for card in v.cards)}
        fit = [v for v in done if v.name not in sick and all(usable(card) for card in v.cards)]
        failing = {v.name for v in self.views if self.stage(v) is Stage.FAILED and v.node.ready and not v.node.cordoned}
        times = [[card.last_flash.time for card in v.cards if card.last_flash] for v in fit]
        return Canaries(
            sick=frozenset(sick),
            fit=frozenset(v.name for v in fit),
            unfit=frozenset(failing | {v.name for v in done} - {v.name for v in fit} - sick),
            flashed=tuple(sorted(max(found) for found in times if found)),
        )

    @cached_property
    def carried(self) -> dict[str, int]:
        """Streams that each node's usable cards can carry."""
        return {v.name: usable_streams(v.card_node) if v.card_node else 0 for v in self.views}

    @cached_property
    def _carried_by_all(self) -> int:
        return sum(self.carried.values())

    def carried_without(self, view: NodeView) -> int:
        """Streams that the pool can carry when this node is out of service, too."""
        return self._carried_by_all - sum(self.carried[name] for name in self.down | {view.name})

    def settle(self, view: NodeView, decision: Decision) -> None:
        """Notes what a decision has used up, for the nodes that come after."""
        (self.picked.add if decision.moving else self.picked.discard)(view.name)
        (self.down.add if decision.moving or self.is_down(view) else self.down.discard)(view.name)

    def look_in(self, seconds: float) -> None:
        """Remembers to look again in so many seconds."""
        seconds = max(1.0, seconds)
        self.recheck = seconds if self.recheck is None else min(self.recheck, seconds)

    def look_again(self, moment: datetime) -> None:
        """Remembers when to look again."""
        self.look_in((moment - self.now).total_seconds())

    def elapsed(self, view: NodeView) -> float:
        """Seconds for which the node has been in its stored state."""
        since = self.records[view.name].since
        return (self.now - since).total_seconds() if since else 0.0

    def look_after(self, view: NodeView, seconds: float) -> None:
        """Remembers to look again when the node has been in its state for so long."""
        self.look_in(seconds - self.elapsed(view))

    def plan(
        self,
        view: NodeView,
        state: RolloutState,
        reason: Reason,
        message: str,
        *,
        flash: Literal["Allowed", "Hold"] = "Hold",
        changes: Mapping[str, Any] | None = None,
    ) -> NodePlan:
        """The node in a state; the moment of its entering it stays while the state does.

        A node that waits for its last good bitstream, or for another attempt at it, is RollingBack.
        """
        record = self.records[view.name].model_copy(update=changes)
        if record.rolling_back and state in {"Pending", "Failed"}:
            state = "RollingBack"
        if record.state != state or record.since is None:
            record = record.model_copy(update={"state": state, "since": self.now.replace(microsecond=0)})
        # Nobody waits for power, or for cards that had it: what is left of it would keep the agent from writing.
        past = flash == "Allowed" or state != "PowerCycling" or not self.desired.whole_machine
        if past and not switching(record):
            record = record.model_copy(update={"power": None})
        machine = self.desired.whole_machine or record.power is not None
        bitstream = record.last_good if record.rolling_back else self.desired.target
        mode: Literal["Card", "Machine"] = "Machine" if machine else "Card"
        return NodePlan(view.name, self.desired.pool, flash, reason, message, bitstream, record, mode)

    def _under_way(self, view: NodeView) -> bool:
        record = self.records[view.name]
        on_its_way = begun(view, record) or chosen(view, record) or switching(record)
        return on_its_way or self.stage(view) is Stage.BUSY

    def is_down(self, view: NodeView) -> bool:
        """Whether the node is out of service whatever becomes of it in this round.

        One whose agent has said nothing yet may be anything, also in the middle of a write.
        """
        if not view.node.ready or view.node.cordoned or not view.reported:
            return True
        if self.given_up(view):
            return out_of_service(view)
        return self.stage(view) is Stage.FAILED


def _may_retry(card: Card) -> bool:
    return card.last_flash is not None and card.last_flash.result == "Failed"
