"""What the operator saw of the cluster at one moment: plain values that policies decide on."""

from dataclasses import dataclass, field
from datetime import datetime

from gharial_api import AsrCardNode, AsrCardPool, AsrModel
from gharial_api.base import JsonObject


@dataclass(frozen=True)
class NodeFacts:
    """A Kubernetes node."""

    name: str
    labels: dict[str, str]
    ready: bool = True
    cordoned: bool = False
    #: The pool that our annotation says the node was cordoned for; empty without one.
    cordon_mark: str = ""
    #: Whether it was us who set the cordon last, by the API server's own record of who wrote the field.
    cordon_written_by_us: bool = False
    cpu_cores: float = 0.0
    gpus: int = 0
    #: Guards a write against changes since this look. Says nothing about the node itself.
    resource_version: str = field(default="", compare=False)

    @property
    def cordoned_by_us(self) -> bool:
        """Whether the cordon is ours to lift."""
        return self.cordoned and self.cordon_mark != "" and self.cordon_written_by_us


@dataclass(frozen=True)
class PodView:
    """A pod of a pool's models on one of its nodes.

    blocked: why a budget does not let it go now; empty if it may. grace: seconds that a pod which is going was given.
    """

    namespace: str
    name: str
    uid: str
    node: str
    terminating: bool = False
    blocked: str = ""
    grace: int = 0


@dataclass(frozen=True)
class PoolFacts:
    """All that a decision about a pool needs."""

    pool: AsrCardPool
    now: datetime
    cluster_nodes: tuple[NodeFacts, ...] = ()
    card_nodes: tuple[AsrCardNode, ...] = ()
    other_pools: tuple[AsrCardPool, ...] = ()
    models: tuple[AsrModel, ...] = ()
    #: Pods of the pool's models.
    pods: tuple[PodView, ...] = ()
    #: AsrCardNodes by name, as the API server holds them.
    live: dict[str, JsonObject] = field(default_factory=dict)

    @property
    def nodes(self) -> tuple[NodeFacts, ...]:
        """Nodes that the pool's selector matches, by name."""
        return tuple(node for node in self.cluster_nodes if selects(self.pool, node))


def selects(pool: AsrCardPool, node: NodeFacts) -> bool:
    """Whether the pool's nodeSelector matches the node."""
    return all(node.labels.get(key) == value for key, value in pool.spec.node_selector.items())


@dataclass(frozen=True)
class PodFacts:
    """A server pod."""

    name: str
    ready: bool = False
    terminating: bool = False
    scheduled: bool = False
    #: Why the scheduler found no place, in its own words.
    unschedulable: str = ""
    #: Last words of a container that ended badly, and how often it was started again.
    last_words: str = ""
    restarts: int = 0
    #: Why the container waits, such as CrashLoopBackOff or ImagePullBackOff, with the kubelet's message.
    waiting: str = ""
    waiting_message: str = ""
    ip: str = ""
    created: str = ""


@dataclass(frozen=True)
class PodStreams:
    """What a pod's /metrics said."""

    active: int = 0
    capacity: int = 0


@dataclass(frozen=True)
class RouteFacts:
    """What gateways said of the model's HTTPRoute."""

    exists: bool = False
    judged: bool = False
    accepted: bool = False
    message: str = ""


@dataclass(frozen=True)
class GatewayFacts:
    """The Gateway that the model names."""

    found: bool = False
    address: str = ""
    port: int = 80
    tls: bool = False


@dataclass(frozen=True)
class DeploymentFacts:
    """The model's Deployment."""

    exists: bool = False
    replicas: int = 0
    updated: int = 0
    ready: int = 0
    current: bool = False


@dataclass(frozen=True)
class ModelFacts:
    """All that a decision about a model needs."""

    model: AsrModel
    now: datetime
    pool: AsrCardPool | None = None
    cluster_nodes: tuple[NodeFacts, ...] = ()
    card_nodes: tuple[AsrCardNode, ...] = ()
    #: Other models on the same pool.
    neighbours: tuple[AsrModel, ...] = ()
    pods: tuple[PodFacts, ...] = ()
    streams: dict[str, PodStreams] = field(default_factory=dict)
    deployment: DeploymentFacts = DeploymentFacts()
    route: RouteFacts = RouteFacts()
    gateway: GatewayFacts = GatewayFacts()
    #: Plurals of optional APIs that the cluster has.
    apis: frozenset[str] = frozenset()
    #: Live child objects by kind.
    children: dict[str, JsonObject] = field(default_factory=dict)
