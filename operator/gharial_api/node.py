"""AsrCardNode: one node's part of a pool. The operator writes spec, that node's agent alone writes status."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from gharial_api.base import ApiModel, NamedRef, ObjectMeta
from gharial_api.bitstream import Bitstream, BitstreamVersions, CardSelector, LicenceRef
from gharial_api.capacity import Driver
from gharial_api.conditions import Condition, Reason
from gharial_api.names import API_VERSION, NODE_KIND
from gharial_api.rollout import NodeRollout

CardPhase = Literal[
    "Pending",
    "WaitingForStreams",
    "Flashing",
    "PowerCycling",
    "Enumerating",
    "Validating",
    "Ready",
    "Failed",
]

#: Phases in which a card is on its way to a new bitstream.
BUSY_PHASES: frozenset[CardPhase] = frozenset({"Flashing", "PowerCycling", "Enumerating", "Validating"})


class NodeSpec(ApiModel):
    """What the operator asks of the node's agent."""

    pool_ref: NamedRef
    """The pool that the node belongs to."""
    node_name: str = Field(min_length=1, max_length=253)
    """The Kubernetes node."""
    driver: Driver
    """What the cards are."""
    card_selector: CardSelector = CardSelector()
    """Which of the node's cards belong to the pool."""
    bitstream: Bitstream | None = None
    """The bitstream the cards shall run; without it they keep the one they have."""
    licences: list[LicenceRef] = Field(default=[], max_length=64)
    """Secrets with the cards' licences."""
    flash: Literal["Allowed", "Hold"] = "Hold"
    """Allowed when the agent may flash cards whose bitstream differs; Hold when it must wait. A write that has begun is
    always finished."""
    flash_reason: str = Field(default="", max_length=512)
    """Why flash is as it is, as one reason and a sentence."""
    power_cycle: Literal["Card", "Machine"] = "Card"
    """What makes a written bitstream live. Card: the agent power-cycles each card by itself. Machine: written cards
    wait until the operator, or a person, has power-cycled the machine."""
    rollout: NodeRollout = NodeRollout()
    """Where the node stands on its way to the pool's bitstream."""


#: What a licence state means where it keeps a card from serving, from worst to least bad.
LICENCE_REASONS: Mapping[str, Reason] = {
    "Missing": Reason.LICENCE_MISSING,
    "WrongCard": Reason.LICENCE_FOR_ANOTHER_CARD,
    "BadSignature": Reason.LICENCE_SIGNATURE_WRONG,
    "Expired": Reason.LICENCE_EXPIRED,
    "VersionExceeded": Reason.LICENCE_VERSION_EXCEEDED,
    "ReleaseDateExceeded": Reason.LICENCE_RELEASE_DATE_EXCEEDED,
}


class CardLicence(ApiModel):
    """What the agent knows of a card's licence."""

    state: Literal[
        "Valid",
        "ExpiresSoon",
        "Expired",
        "ReleaseDateExceeded",
        "VersionExceeded",
        "WrongCard",
        "BadSignature",
        "Missing",
        "NotNeeded",
    ]
    """Valid and ExpiresSoon (within 30 days) let the card serve, others do not; NotNeeded: driver without licences."""
    max_version: str | None = None
    """Newest bitstream version that the licence allows."""
    max_release_date: str | None = None
    """Newest release date that the licence allows, as YYYY-MM-DD."""
    expires: str | None = None
    """Last day on which the licence holds, as YYYY-MM-DD; none: no end."""
    message: str | None = None
    """What is wrong with the licence, and the remedy."""


class CardStreams(ApiModel):
    """Streams of one card."""

    capacity: int = 0
    """Streams that the card can carry."""
    used: int = 0
    """Streams that it carries now."""


class LastFlash(ApiModel):
    """The card's last flash."""

    attempt: int = 0
    """Attempts at the present bitstream so far."""
    result: Literal["Succeeded", "Failed", "Running"]
    """Succeeded, Failed or Running."""
    time: datetime
    """When it ended, or when it began while it runs."""
    version: str | None = None
    """Version that was written."""
    message: str | None = None
    """What the flash tool or the check after it said."""


class CardGpu(ApiModel):
    """What NVML tells of a GPU."""

    product: str = ""
    """What NVIDIA calls it, such as NVIDIA L4."""
    memory: str = ""
    """Memory of the GPU, such as 23034Mi."""
    driver_version: str | None = None
    """Version of NVIDIA's driver on the node."""


class Card(ApiModel):
    """One card as its agent sees it."""

    pci_address: str
    """PCI address, such as 0000:3b:00.0."""
    unique_id: str = ""
    """Unique id of the card: 16 hex digits, to which licences bind. Of a GPU its UUID."""
    slot: str | None = None
    """Name of the physical slot, where the firmware gives slots names."""
    link: str | None = None
    """The PCIe link as it is and as the card can, such as x16 of x16 at 16 of 16 GT/s."""
    bitstream: str = ""
    """Version of the bitstream that the card runs."""
    licence: CardLicence | None = None
    """State of the card's licence."""
    health: Literal["Healthy", "Unhealthy", "Unknown"] = "Unknown"
    """Healthy, Unhealthy or Unknown."""
    health_message: str | None = None
    """What is wrong with an unhealthy card, or worth knowing of a healthy one."""
    streams: CardStreams = CardStreams()
    """Streams, capacity and used."""
    last_flash: LastFlash | None = None
    """The last flash of this card."""
    phase: CardPhase = "Pending"
    """Where the card stands on its way to the spec's bitstream."""
    gpu: CardGpu | None = None
    """What a GPU is; only with driver cuda."""


class NodeStatus(ApiModel):
    """What the node's agent sees."""

    observed_generation: int = 0
    """metadata.generation that the agent has acted on."""
    conditions: list[Condition] = Field(
        default_factory=list,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    """Ready, Progressing and LicencesValid, each with a sentence."""
    bitstream: BitstreamVersions = BitstreamVersions()
    """Bitstream versions of the node's cards, current and target."""
    cards: list[Card] = Field(
        default_factory=list,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["pciAddress"]},
    )
    """The cards of the pool on this node."""
    summary: str = ""
    """Ready cards out of all, for the table of kubectl get."""


class AsrCardNode(ApiModel):
    """The speech cards of one node. Made by the operator for each node of an AsrCardPool; nobody edits it by hand."""

    api_version: str = API_VERSION
    kind: str = NODE_KIND
    metadata: ObjectMeta = ObjectMeta()
    spec: NodeSpec
    """What the operator asks of the node's agent."""
    status: NodeStatus = NodeStatus()
    """What the node's agent sees; nobody else writes it."""
