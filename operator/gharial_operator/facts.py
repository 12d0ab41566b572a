"""What the operator saw of the cluster at one moment: plain values that policies decide on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from gharial_api import AsrCardNode, AsrCardPool, AsrModel
from gharial_api.base import JsonObject

from gharial_operator.power.controller import Power
from gharial_operator.seen import Seen


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
    memory_bytes: int = 0
    #: What NVIDIA's device plugin offers to pods, and what it has, sick devices included; by resource name.
    gpus: Mapping[str, int] = field(default_factory=dict)
    gpu_capacity: Mapping[str, int] = field(default_factory=dict)
    #: Keys of the taints that keep pods off, the kubelet's own and a cordon's left out.
    taints: tuple[str, ...] = ()
    #: Another one after each start of the machine.
    boot_id: str = ""
    #: Address of the machine's power controller, from our annotation; empty without one.
    controller: str = ""
    #: Guards a write against changes since this look. Says nothing about the node itself.
    resource_version: str = field(default="", compare=False)
    #: Whether somebody deleted the Node; its machine may be there still.
    deleted: bool = False

    @property
    def cordoned_by_us(self) -> bool:
        """Whether the cordon is ours to lift."""
        return self.cordoned and self.cordon_mark != "" and self.cordon_written_by_us


@dataclass(frozen=True)
class GpuDevice:
    """A device that NVIDIA's DRA driver publishes on a node.

    kind: gpu, mig or vfio. parent: UUID of the GPU that it is a part of. taint: key of one that keeps pods off, or "".
    """

    node: str
    uuid: str
    kind: str = "gpu"
    product: str = ""
    memory_bytes: int = 0
    parent: str = ""
    taint: str = ""


@dataclass(frozen=True)
class Held:
    """What pods on a node ask for."""

    cpu_cores: float = 0.0
    memory_bytes: int = 0
    gpus: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PodView:
    """A pod of a pool's models on one of its nodes.

    blocked: why it may not go now, such as a budget that forbids it; empty if it may. grace: seconds that a pod which
    is going was given. own: this operator runs in it. starting: it is let come up before it is asked to go.
    """

    namespace: str
    name: str
    uid: str
    node: str
    terminating: bool = False
    blocked: str = ""
    grace: int = 0
    own: bool = False
    starting: bool = False


@dataclass(frozen=True)
class PowerAnswer:
    """What a machine's power controller said last. Without power it gave trouble, told in a sentence."""

    power: Power | None
    trouble: str
    time: datetime


@dataclass(frozen=True)
class PoolFacts:
    """All that a decision about a pool needs."""

    pool: AsrCardPool
    now: datetime
    cluster_nodes: tuple[NodeFacts, ...] = ()
    card_nodes: tuple[AsrCardNode, ...] = ()
    other_pools: tuple[AsrCardPool, ...] = ()
    models: tuple[AsrModel, ...] = ()
    #: Pods of the pool's models, and all that must go from machines that are about to lose their power.
    pods: tuple[PodView, ...] = ()
    #: AsrCardNodes by name, as the API server holds them.
    live: dict[str, Seen[AsrCardNode]] = field(default_factory=dict)
    #: What power controllers said last, by node.
    power: Mapping[str, PowerAnswer] = field(default_factory=dict)
    #: What other pods hold on each node, and what NVIDIA's DRA driver publishes; only where the driver asks for it.
    held: Mapping[str, Held] = field(default_factory=dict)
    gpu_devices: tuple[GpuDevice, ...] = ()

    @cached_property
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
class Offer:
    """What a pool offers to its models: the same for each of them, and worked out once for all.

    usable: cards that a model could run on. why: why some do not count; empty when all do. fit: bitstream versions on
    which models may run; empty for any.
    """

    usable: int = 0
    total: int = 0
    why: str = ""
    fit: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelFacts:
    """All that a decision about a model needs."""

    model: AsrModel
    now: datetime
    pool: AsrCardPool | None = None
    offer: Offer = Offer()
    #: Cards of the pool that other models want.
    taken: int = 0
    pods: tuple[PodFacts, ...] = ()
    streams: dict[str, PodStreams] = field(default_factory=dict)
    deployment: DeploymentFacts = DeploymentFacts()
    route: RouteFacts = RouteFacts()
    gateway: GatewayFacts = GatewayFacts()
    #: Plurals of optional APIs that the cluster has.
    apis: frozenset[str] = frozenset()
    #: Live child objects by kind.
    children: dict[str, JsonObject] = field(default_factory=dict)
