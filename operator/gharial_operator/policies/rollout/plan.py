"""What the rollout answers: where each node stands, and what is to be done, in order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gharial_api.bitstream import Bitstream
from gharial_api.conditions import Reason
from gharial_api.rollout import NodeRollout

from gharial_operator.facts import PodView
from gharial_operator.power.controller import Switch


@dataclass(frozen=True)
class Machine:
    """A machine's power controller: its address, and the Secret with its login."""

    controller: str
    secret: str


#: Seconds that a pod keeps when its drain is forced.
FORCED_GRACE_SECONDS = 30


@dataclass(frozen=True)
class Cordon:
    """Close the node for new pods, and mark the cordon as ours in the same write."""

    node: str


@dataclass(frozen=True)
class Uncordon:
    """Give the node back: cordon and mark go in the same write."""

    node: str


@dataclass(frozen=True)
class Unmark:
    """Take our mark off a node whose cordon is not ours: an admin lifted it, or set it anew."""

    node: str


@dataclass(frozen=True)
class Evict:
    """Ask the pod to go, by the eviction API: it may be refused, and then it is asked again later."""

    pod: PodView


@dataclass(frozen=True)
class Terminate:
    """End a pod that did not go in time, as the admin's onTimeout says."""

    pod: PodView


@dataclass(frozen=True)
class Turn:
    """Have the machine's power switched. Asked for in each round until it is so; asking again is harmless."""

    node: str
    switch: Switch


@dataclass(frozen=True)
class Label:
    """Show pool and state on the Node; without a state both labels go."""

    node: str
    pool: str
    state: str | None


@dataclass(frozen=True)
class NodePlan:
    """What the node's agent is told, and what is stored of the node's way."""

    node: str
    pool: str
    flash: Literal["Allowed", "Hold"]
    reason: Reason
    message: str
    bitstream: Bitstream | None
    record: NodeRollout
    power_cycle: Literal["Card", "Machine"] = "Card"

    @property
    def state(self) -> str:
        """Where the node stands."""
        return self.record.state


@dataclass(frozen=True)
class Tell:
    """Write the node's AsrCardNode: permission, bitstream and state."""

    plan: NodePlan


Action = Tell | Cordon | Uncordon | Unmark | Evict | Terminate | Turn | Label


@dataclass(frozen=True)
class Plan:
    """The answer. The process may die between any two actions: the next look at the cluster goes on from there.

    nodes: by name. actions: in order. recheck: seconds until time alone may change the answer. breaker: the sentence
    of the open circuit breaker, empty while it is closed. machines: whose power is to be watched, by node.
    """

    nodes: Mapping[str, NodePlan]
    actions: tuple[Action, ...]
    recheck: float | None = None
    breaker: str = ""
    machines: Mapping[str, Machine] = field(default_factory=dict)
