"""AsrCardPool: the cards of some nodes, their bitstream, licences and upgrade policy (cluster-scoped)."""

from typing import Annotated

from pydantic import ConfigDict, Field

from gharial_api.base import ApiModel, ObjectMeta, cel, rules
from gharial_api.bitstream import Bitstream, BitstreamVersions, CardSelector, LicenceRef
from gharial_api.capacity import CapacityKey, Decoder, Driver
from gharial_api.conditions import Condition
from gharial_api.gpu import GpuClaim
from gharial_api.names import API_VERSION, POOL_KIND
from gharial_api.upgrade import Health, UpgradePolicy

# Drivers whose cards are ours to flash and license.
_FLASHED = "self.driver in ['achronix', 'simulated']"


class CapacityEntry(ApiModel):
    """Streams per card for one way of running one architecture, where it differs from the published table."""

    architecture: str = Field(min_length=1, max_length=63)
    """Architecture of the model: testing, base, large, or a name of your own."""
    decoder: Decoder
    """greedy or beam."""
    state_resets: bool = True
    """Whether the figure is for decoding with state resets."""
    streams: int = Field(ge=1, le=100_000)
    """Real-time streams that one card carries."""

    @property
    def key(self) -> CapacityKey:
        """What the figure holds for."""
        return CapacityKey(self.architecture, self.decoder, self.state_resets)


class PodResources(ApiModel):
    """What one server pod asks for. For driver cpu this is the card: whole cores that no other pod gets."""

    cpu: str = Field(
        default="4",
        max_length=16,
        json_schema_extra=rules(
            cel(
                "isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))",
                "spec.podResources.cpu must be a quantity above 0, such as '4' or '500m'",
            )
        ),
    )
    """Cores of one pod. Driver cpu takes whole cores only."""
    memory: str = Field(
        default="4Gi",
        max_length=16,
        json_schema_extra=rules(
            cel(
                "isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))",
                "spec.podResources.memory must be a quantity above 0, such as 4Gi",
            )
        ),
    )
    """Memory of one pod."""


class PoolSpec(ApiModel):
    """What the admin wants of the cards."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "self.driver == oldSelf.driver",
                "spec.driver cannot change: delete the pool and make one with the other driver",
                field_path=".driver",
            ),
            cel(
                f"!has(self.bitstream) || {_FLASHED}",
                "spec.bitstream is for drivers achronix and simulated: remove it, or change spec.driver",
                field_path=".bitstream",
            ),
            cel(
                f"size(self.licences) == 0 || {_FLASHED}",
                "spec.licences is for drivers achronix and simulated: remove it, or change spec.driver",
                field_path=".licences",
            ),
            cel(
                f"{_FLASHED} || (size(self.cardSelector.uniqueIds) == 0 && size(self.cardSelector.pciAddresses) == 0)",
                "spec.cardSelector is for drivers achronix and simulated: choose nodes by spec.nodeSelector, "
                "and GPUs by spec.gpu",
                field_path=".cardSelector",
            ),
            cel(
                "!has(self.gpu) || self.driver == 'cuda'",
                "spec.gpu is for driver cuda: remove it, or make a pool of that driver",
                field_path=".gpu",
            ),
            cel(
                "self.driver != 'cpu' || !isQuantity(self.podResources.cpu) "
                "|| quantity(self.podResources.cpu).isInteger()",
                "spec.podResources.cpu must be whole cores for driver cpu: write '2', not '2500m'",
                field_path=".podResources.cpu",
            ),
        )
    )

    driver: Driver
    """What the cards are: achronix (FPGA, PCI 12ba:0069), cuda (NVIDIA GPU), cpu (whole cores) or simulated."""
    node_selector: dict[str, Annotated[str, Field(max_length=63)]] = Field(
        max_length=16,
        json_schema_extra=rules(
            cel(
                "size(self) > 0",
                "spec.nodeSelector must name a label; for every Linux node write: kubernetes.io/os: linux",
            )
        ),
    )
    """Labels of the nodes whose cards belong to the pool. A node belongs to one pool only: the older one keeps it."""
    card_selector: CardSelector = CardSelector()
    """Which cards of those nodes belong to the pool; all by default."""
    gpu: GpuClaim | None = None
    """With driver cuda: how a pod gets its GPU. By default it asks NVIDIA's device plugin for one nvidia.com/gpu."""
    bitstream: Bitstream | None = None
    """The bitstream the cards shall run. Without it the cards keep the one they have."""
    licences: list[LicenceRef] = Field(
        default=[],
        max_length=64,
        json_schema_extra=rules(
            cel(
                "self.all(x, self.exists_one(y, y.secretRef.name == x.secretRef.name))",
                "spec.licences names the same Secret twice: keep one of the two",
            )
        ),
    )
    """Secrets with the cards' licences."""
    capacity: list[CapacityEntry] = Field(
        default=[],
        max_length=64,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["architecture", "decoder", "stateResets"],
        },
    )
    """Streams per card where they differ from the published table."""
    pod_resources: PodResources = PodResources()
    """What one server pod on one card asks for."""
    upgrade_policy: UpgradePolicy = UpgradePolicy()
    """How a new bitstream reaches the nodes."""
    health: Health = Health()
    """When to stop by itself."""

    @property
    def gpu_claim(self) -> GpuClaim:
        """How a pod of a cuda pool gets its GPU."""
        return self.gpu or GpuClaim()


class CardCounts(ApiModel):
    """Cards of the pool by state."""

    total: int = 0
    """Cards found on the pool's nodes. Driver cpu: pods that the nodes could hold if nothing else ran there."""
    ready: int = 0
    """Cards that serve or can serve. Drivers cuda and cpu: those that other pods leave to this pool."""
    flashing: int = 0
    """Cards being flashed, power-cycled or checked."""
    quarantined: int = 0
    """Broken cards of nodes that the rollout has given up (Quarantined), until an admin resets it."""
    summary: str = "0/0"
    """ready/total, for the table of kubectl get."""


class StreamCounts(ApiModel):
    """Streams of ready cards."""

    capacity: int = 0
    """Streams that the cards can carry."""
    used: int = 0
    """Streams that the cards carry now."""


class PoolStatus(ApiModel):
    """What the operator sees of the pool."""

    observed_generation: int = 0
    """metadata.generation that this status was computed from."""
    conditions: list[Condition] = Field(
        default_factory=list,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    """Ready, Progressing, Degraded, LicencesValid and UpgradePaused, each with a sentence."""
    bitstream: BitstreamVersions = BitstreamVersions()
    """Bitstream versions, current and target."""
    good_bitstreams: list[Bitstream] = Field(default_factory=list, max_length=3)
    """Bitstreams with which every card that serves was seen to serve, the newest first and at most three: where
    `kubectl gharial rollout undo` leads."""
    nodes: int = 0
    """Nodes that belong to the pool."""
    cards: CardCounts = CardCounts()
    """Cards by state."""
    streams: StreamCounts = StreamCounts()
    """Streams of the ready cards."""


class AsrCardPool(ApiModel):
    """The speech cards of a set of nodes: which nodes, which bitstream, which licences, how upgrades go.

    The operator makes one AsrCardNode for each node; the agent on that node flashes, checks and publishes the cards.
    """

    api_version: str = API_VERSION
    kind: str = POOL_KIND
    metadata: ObjectMeta = ObjectMeta()
    spec: PoolSpec
    """What the admin wants of the cards."""
    status: PoolStatus = PoolStatus()
    """What the operator sees of them."""
