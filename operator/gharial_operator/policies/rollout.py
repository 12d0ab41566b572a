"""The pool's nodes on their way to one bitstream: what each of them is, before anybody decides."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gharial_api import AsrCardNode, AsrCardPool

from gharial_operator.facts import NodeFacts
from gharial_operator.policies.cards import Stage, broken, failed, stage
from gharial_operator.quantity import of_total


@dataclass(frozen=True)
class NodeView:
    """A node of the pool, with its agent's report when there is one."""

    node: NodeFacts
    card_node: AsrCardNode | None

    @property
    def name(self) -> str:
        """Name of the node."""
        return self.node.name


@dataclass
class Rollout:
    """The pool's nodes on their way to one bitstream, and the permissions given so far."""

    pool: AsrCardPool
    views: Sequence[NodeView]
    now: datetime
    #: Nodes out of service, and nodes that got the permission.
    down: set[str] = field(default_factory=set)
    granted: set[str] = field(default_factory=set)
    #: Seconds until time alone may change a permission.
    recheck: float | None = None

    @property
    def target(self) -> str | None:
        """Version that the cards shall run."""
        return self.pool.spec.bitstream.version if self.pool.spec.bitstream else None

    def stage(self, view: NodeView) -> Stage:
        """Where a node stands."""
        return stage(view.card_node, self.target)

    @property
    def budget(self) -> int:
        """Nodes that may be down at a time."""
        return max(1, of_total(self.pool.spec.upgrade_policy.max_unavailable, len(self.views)))

    def look_again(self, moment: datetime) -> None:
        """Remembers when to look again."""
        seconds = max(1.0, (moment - self.now).total_seconds())
        self.recheck = seconds if self.recheck is None else min(self.recheck, seconds)


def is_down(rollout: Rollout, view: NodeView) -> bool:
    """Whether the node is out of service, or about to be by our own leave."""
    if not view.node.ready or view.node.cordoned:
        return True
    where = rollout.stage(view)
    if where in {Stage.BUSY, Stage.FAILED}:
        return True
    return allowed_now(view) and where is not Stage.DONE


def allowed_now(view: NodeView) -> bool:
    return view.card_node is not None and view.card_node.spec.flash == "Allowed"


def attempts(rollout: Rollout, view: NodeView) -> int:
    cards = view.card_node.status.cards if view.card_node else []
    return max((c.last_flash.attempt for c in cards if c.last_flash and failed(c, rollout.target)), default=0)


def given_up(rollout: Rollout, view: NodeView) -> bool:
    """Whether the node needs a person: a broken card, or no attempts left."""
    if view.card_node is None:
        return False
    if rollout.stage(view) is Stage.FAILED:
        return attempts(rollout, view) > rollout.pool.spec.upgrade_policy.retries
    return any(broken(card) for card in view.card_node.status.cards)
