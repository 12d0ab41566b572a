"""A small cluster in memory for histories of rollouts: nodes, cards that fail, pods with streams, agents that lag.

It obeys the orders of the rollout as Kubernetes and the agents do, and refuses what they would refuse.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from gharial_api import AsrCardNode
from gharial_api.base import NamedRef, ObjectMeta
from gharial_api.bitstream import Bitstream, BitstreamVersions
from gharial_api.names import POOL_LABEL
from gharial_api.node import BUSY_PHASES, Card, CardLicence, CardPhase, CardStreams, LastFlash, NodeSpec, NodeStatus
from gharial_api.rollout import ROLLOUT_LABEL
from gharial_api.upgrade import Health, UpgradePolicy
from gharial_operator.facts import NodeFacts, PodView
from gharial_operator.policies.rollout import Desired, NodeView, Plan, rollout
from gharial_operator.policies.rollout.drain import leave
from gharial_operator.policies.rollout.plan import Action, Cordon, Evict, Label, Tell, Terminate, Uncordon, Unmark

START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
STREAMS_PER_CARD = 16
#: Seconds that an agent waits after a failed flash.
AGENT_PAUSE = 5
NEXT_PHASE: dict[CardPhase, CardPhase] = {
    "Flashing": "PowerCycling",
    "PowerCycling": "Enumerating",
    "Enumerating": "Validating",
}


@lru_cache
def bitstream(number: int) -> Bitstream:
    """A bitstream by its number."""
    return Bitstream(version=f"1.{number}.0", url=f"https://example.com/{number}", sha256=f"{number}" * 64)


@dataclass
class SimCard:
    """One card. failures: how many more flashes fail; dead: it will not even be tried."""

    version: str
    phase: CardPhase = "Ready"
    failures: int = 0
    dead: bool = False
    attempt: int = 0
    writing: str = ""
    last: LastFlash | None = None


@dataclass
class SimPod:
    """A server pod on a node, with its live streams."""

    uid: str
    node: str
    streams: int = 0
    terminating: bool = False


@dataclass
class SimNode:
    """A node with its cards and its agent. cordoned_by: us, admin or nobody."""

    name: str
    cards: list[SimCard]
    ready: bool = True
    cordoned_by: str = ""
    mark: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    spec: NodeSpec | None = None
    generation: int = 0
    #: What the agent has read, and what it has reported.
    read: NodeSpec | None = None
    status: NodeStatus = field(default_factory=NodeStatus)
    agent_alive: bool = True

    @property
    def busy(self) -> bool:
        return any(card.phase in BUSY_PHASES for card in self.cards)

    @property
    def usable(self) -> int:
        """Streams that its cards can carry."""
        return STREAMS_PER_CARD * sum(card.phase == "Ready" and not card.dead for card in self.cards)


class World:
    """The cluster. Every method is one thing that may happen in it."""

    def __init__(self, nodes: int, cards: int) -> None:
        self.now = START
        self.nodes = {f"n{i}": SimNode(f"n{i}", [SimCard("1.1.0") for _ in range(cards)]) for i in range(nodes)}
        self.pods: dict[str, SimPod] = {}
        self.target = 1
        self.policy = UpgradePolicy()
        self.health = Health(max_unhealthy_percent=100)
        self.deleted = False
        self._pods_made = 0

    # What the operator sees and does.

    def desired(self) -> Desired:
        return Desired("cards", bitstream(self.target), self.policy, self.health, self.deleted)

    def views(self) -> list[NodeView]:
        return [NodeView(self.facts(node), self.card_node(node), self.pods_of(node)) for node in self.nodes.values()]

    def facts(self, node: SimNode) -> NodeFacts:
        return NodeFacts(
            node.name,
            dict(node.labels),
            node.ready,
            cordoned=bool(node.cordoned_by),
            cordon_mark=node.mark,
            cordon_written_by_us=node.cordoned_by == "us",
        )

    def card_node(self, node: SimNode) -> AsrCardNode | None:
        if node.spec is None:
            return None
        meta = ObjectMeta(name=node.name, generation=node.generation)
        return AsrCardNode.model_construct(metadata=meta, spec=node.spec, status=node.status)

    def pods_of(self, node: SimNode) -> tuple[PodView, ...]:
        blocked = "" if self.may_disrupt() else "Budget english allows none."
        return tuple(
            PodView("default", pod.uid, pod.uid, pod.node, pod.terminating, "" if pod.terminating else blocked)
            for pod in self.pods.values()
            if pod.node == node.name
        )

    def may_disrupt(self) -> bool:
        """The pods' budget: two may be going at a time."""
        return sum(pod.terminating for pod in self.pods.values()) < 2

    def plan(self) -> Plan:
        return rollout(self.views(), self.desired(), self.now)

    def farewell(self) -> tuple[Action, ...]:
        """What is done when the pool goes."""
        return leave([self.facts(node) for node in self.nodes.values()], "cards")

    def act(self, action: Action) -> None:
        """One write to the API server."""
        match action:
            case Tell(plan):
                node = self.nodes[plan.node]
                spec = NodeSpec.model_construct(
                    pool_ref=NamedRef(name="cards"),
                    node_name=node.name,
                    driver="simulated",
                    bitstream=plan.bitstream,
                    flash=plan.flash,
                    flash_reason=f"{plan.reason}: {plan.message}",
                    rollout=plan.record,
                )
                if spec != node.spec:
                    node.spec, node.generation = spec, node.generation + 1
            case Cordon(name):
                self.nodes[name].cordoned_by, self.nodes[name].mark = "us", "cards"
            case Uncordon(name):
                self.nodes[name].cordoned_by, self.nodes[name].mark = "", ""
            case Unmark(name):
                self.nodes[name].mark = ""
            case Evict(pod):
                if pod.uid in self.pods and self.may_disrupt():
                    self.pods[pod.uid].terminating = True
            case Terminate(pod):
                self.pods.pop(pod.uid, None)
            case Label(name, pool, state):
                labels = self.nodes[name].labels
                labels.clear()
                if state is not None:
                    labels.update({POOL_LABEL: pool, ROLLOUT_LABEL: state})

    # What agents do.

    def agent_reads(self, node: SimNode) -> None:
        """The agent sees its orders and reports."""
        if node.agent_alive and node.ready and node.spec is not None:
            node.read = node.spec
            self._report(node, node.generation)

    def agent_works(self, node: SimNode) -> None:
        """The agent takes one step on what it has read last."""
        order = node.read
        if not (node.agent_alive and node.ready) or order is None or order.bitstream is None:
            return
        busy = next((card for card in node.cards if card.phase in BUSY_PHASES), None)
        if busy is not None:
            self._go_on(busy)
        elif order.flash == "Allowed" and not any(pod.node == node.name for pod in self.pods.values()):
            self._begin(node, order.bitstream.version)
        self._report(node, node.status.observed_generation)

    def _begin(self, node: SimNode, version: str) -> None:
        for card in node.cards:
            failed = card.last is not None and card.last.result == "Failed"
            pausing = failed and card.last is not None and (self.now - card.last.time).total_seconds() < AGENT_PAUSE
            if card.version != version and not card.dead and not pausing:
                card.attempt = card.attempt + 1 if card.writing == version else 1
                card.phase, card.writing = "Flashing", version
                card.last = LastFlash(attempt=card.attempt, result="Running", time=self.now, version=version)
                return

    def _go_on(self, card: SimCard) -> None:
        if card.phase in NEXT_PHASE:
            card.phase = NEXT_PHASE[card.phase]
            return
        failed = card.failures > 0
        card.failures -= failed
        result = "Failed" if failed else "Succeeded"
        card.last = LastFlash(attempt=card.attempt, result=result, time=self.now, version=card.writing)
        card.phase = "Failed" if failed else "Ready"
        card.version = "" if failed else card.writing

    def _report(self, node: SimNode, generation: int) -> None:
        used = sum(pod.streams for pod in self.pods.values() if pod.node == node.name)
        cards = tuple(
            _card(i, card.version, card.dead, used if i == 0 else 0, card.phase, card.last)
            for i, card in enumerate(node.cards)
        )
        read = node.read.bitstream.version if node.read and node.read.bitstream else ""
        node.status = _status(generation, cards, read)

    # What else happens.

    def new_pods(self, number: int) -> None:
        """Pods are made, as far as the scheduler finds cards for them."""
        for _ in range(number):
            self._new_pod()
        for node in self.nodes.values():
            self.agent_reads(node)

    def _new_pod(self) -> None:
        for node in self.nodes.values():
            taken = sum(pod.node == node.name for pod in self.pods.values())
            offered = sum(card.phase == "Ready" and not card.dead for card in node.cards)
            allowed = node.read is not None and node.read.flash == "Allowed"
            if node.ready and not node.cordoned_by and not node.busy and not allowed and taken < offered:
                self._pods_made += 1
                self.pods[f"p{self._pods_made}"] = SimPod(f"p{self._pods_made}", node.name, streams=1)
                return

    def streams_end(self) -> None:
        """All streams end; pods that were waiting for that go."""
        for pod in list(self.pods.values()):
            pod.streams = 0
            if pod.terminating:
                del self.pods[pod.uid]
        for node in self.nodes.values():
            if node.agent_alive and node.ready:
                self._report(node, node.status.observed_generation)

    def pass_time(self, seconds: float) -> None:
        """The clock moves, also backwards."""
        self.now += timedelta(seconds=seconds)


@lru_cache(maxsize=10_000)
def _card(index: int, version: str, dead: bool, used: int, phase: CardPhase, last: LastFlash | None) -> Card:
    return Card(
        pci_address=f"0000:{index:02x}:00.0",
        bitstream=version,
        licence=CardLicence(state="Valid"),
        health="Unhealthy" if dead else "Healthy",
        streams=CardStreams(capacity=STREAMS_PER_CARD, used=used),
        phase="Failed" if dead and phase == "Ready" else phase,
        last_flash=last,
    )


def _status(generation: int, cards: tuple[Card, ...], target: str) -> NodeStatus:
    return NodeStatus.model_construct(
        observed_generation=generation, conditions=[], bitstream=BitstreamVersions(target=target), cards=list(cards)
    )
