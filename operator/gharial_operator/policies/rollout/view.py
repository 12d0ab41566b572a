"""What the rollout looks at: nodes, their cards' reports and their pods; and what is wanted of them."""

from dataclasses import dataclass

from gharial_api import AsrCardNode, AsrCardPool
from gharial_api.bitstream import Bitstream
from gharial_api.node import Card
from gharial_api.rollout import NodeRollout
from gharial_api.upgrade import Health, UpgradePolicy

from gharial_operator.facts import NodeFacts, PodView, PowerAnswer


@dataclass(frozen=True)
class NodeView:
    """A node of the pool, with its agent's report when there is one, and the pods that must go before its flash."""

    node: NodeFacts
    card_node: AsrCardNode | None
    pods: tuple[PodView, ...] = ()
    #: What its machine's power controller said last.
    power: PowerAnswer | None = None
    #: Whether the pool lets go of the node as soon as its machine has power again.
    leaving: bool = False

    @property
    def name(self) -> str:
        """Name of the node."""
        return self.node.name

    @property
    def record(self) -> NodeRollout:
        """What was stored of the node's way."""
        return self.card_node.spec.rollout if self.card_node else NodeRollout()

    @property
    def cards(self) -> list[Card]:
        """The cards, as the agent reports them."""
        return self.card_node.status.cards if self.card_node else []

    @property
    def allowed(self) -> bool:
        """Whether the agent has the permission to flash."""
        return self.card_node is not None and self.card_node.spec.flash == "Allowed"

    @property
    def reported(self) -> bool:
        """Whether the agent has reported its cards."""
        status = self.card_node.status if self.card_node else None
        return status is not None and bool(status.observed_generation or status.cards)

    @property
    def heard(self) -> bool:
        """Whether the agent has acted on all that it was told."""
        node = self.card_node
        return node is not None and node.status.observed_generation >= node.metadata.generation

    @property
    def agent_trouble(self) -> tuple[str, str] | None:
        """Reason and sentence of the agent's Ready condition while it is False."""
        conditions = self.card_node.status.conditions if self.card_node else []
        return next(((c.reason, c.message) for c in conditions if c.type == "Ready" and c.status == "False"), None)


@dataclass(frozen=True)
class Desired:
    """What the pool asks for. target None: cards keep the bitstream they have."""

    pool: str
    target: Bitstream | None
    policy: UpgradePolicy
    health: Health
    deleting: bool = False
    #: Whether cards get their power from the machine, and not each from a switch of its own.
    whole_machine: bool = False

    @classmethod
    def of(cls, pool: AsrCardPool) -> "Desired":
        """What a pool asks for."""
        spec = pool.spec
        deleting = pool.metadata.deletion_timestamp is not None
        policy = spec.upgrade_policy
        whole_machine = spec.driver == "achronix" or policy.power_cycle is not None
        return cls(pool.metadata.name, spec.bitstream, policy, spec.health, deleting, whole_machine)

    @property
    def goal(self) -> str:
        """Names the target and the admin's last reset; another goal starts afresh."""
        if self.target is None:
            return ""
        return f"{self.target.version} {self.target.sha256[:16]} {self.policy.reset}".strip()
