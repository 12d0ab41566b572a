"""Condition types and their reasons: every word a status, an event or a log line may use, each with its meaning.

A condition always carries `observedGeneration` and a sentence; an event of the same reason marks each transition.
`docs/reference/conditions.md` is made from this module.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field

from gharial_api.base import ApiModel

Status = Literal["True", "False", "Unknown"]


class Documented(StrEnum):
    """A string constant with its meaning: `NAME = "Word", "What it means."`."""

    meaning: str

    def __new__(cls, word: str, meaning: str) -> "Documented":
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member

    @classmethod
    def named(cls, word: str) -> Self | None:
        """The constant that is this word, if any."""
        return next((member for member in cls if member.value == word), None)


class ConditionType(Documented):
    """Condition types of the three kinds."""

    READY = "Ready", "The object does what its spec asks for."
    PROGRESSING = "Progressing", "Something is under way: nodes are being prepared, pods are being replaced."
    DEGRADED = "Degraded", "Part of the object is broken; the rest serves on."
    LICENCES_VALID = "LicencesValid", "Every card that needs a licence has a valid one."
    UPGRADE_PAUSED = "UpgradePaused", "No card of the pool is flashed until an admin or a cure lifts the pause."
    CAPACITY_AVAILABLE = "CapacityAvailable", "The pool holds enough usable cards for the model's replicas."
    ROUTE_ACCEPTED = "RouteAccepted", "The gateway has accepted the model's route."


class Reason(Documented):
    """Why a condition is as it is."""

    # Any kind.
    AS_EXPECTED = "AsExpected", "Nothing to report."
    DELETING = "Deleting", "The object is being taken down in order."
    # Pools.
    NO_NODES_MATCH = "NoNodesMatch", "The pool's nodeSelector matches no node."
    NODE_CLAIMED_BY_OTHER_POOL = (
        "NodeClaimedByOtherPool",
        "An older pool selects the same node; the older one keeps it.",
    )
    AGENT_NOT_REPORTING = "AgentNotReporting", "A node's agent has not reported yet: is its DaemonSet pod running?"
    NO_CARDS_FOUND = "NoCardsFound", "The pool's nodes hold no card that the pool selects."
    WAITING_FOR_CARDS = "WaitingForCards", "Cards are being flashed or checked."
    CARDS_READY = "CardsReady", "Every card of the pool serves or can serve."
    FLASH_ALLOWED = "FlashAllowed", "The node may flash its cards now."
    WAITING_FOR_STREAMS = "WaitingForStreams", "A node's cards still serve streams; flashing waits for them."
    WAITING_FOR_BUDGET = "WaitingForBudget", "As many nodes as maxUnavailable allows are already down."
    MIN_AVAILABLE_STREAMS = "MinAvailableStreams", "Taking the node would leave fewer streams than minAvailableStreams."
    CANARY_SOAKING = "CanarySoaking", "The canary nodes have the new bitstream and are being watched."
    CANARY_FAILED = "CanaryFailed", "A canary node is broken or was given up: no other node follows."
    OUTSIDE_MAINTENANCE_WINDOW = (
        "OutsideMaintenanceWindow",
        "No maintenance window is open; nodes that have not begun to flash are given back.",
    )
    CORDONING = "Cordoning", "The node is its pool's next: it is closed for new pods."
    DRAIN_TIMED_OUT = "DrainTimedOut", "A node's pods or streams took longer to go than drain.timeoutSeconds."
    PDB_BLOCKED = "PDBBlocked", "A PodDisruptionBudget does not let a pod go now; it is asked again."
    DRAINED = "Drained", "The node holds no pod with a card and no stream any more."
    UNCORDONING = "Uncordoning", "The node is given back."
    ROLLING_BACK = "RollingBack", "The new bitstream failed; the node gets its last good one back."
    ROLLED_BACK = "RolledBack", "The new bitstream failed; the node serves with its last good one."
    BACKING_OFF = "BackingOff", "A flash or a drain failed; the next attempt waits for backoffSeconds."
    PAUSED_BY_ADMIN = "PausedByAdmin", "upgradePolicy.paused is true."
    CIRCUIT_BREAKER_OPEN = (
        "CircuitBreakerOpen",
        "More of the pool is broken than health.maxUnhealthyPercent allows; flashing stopped by itself.",
    )
    NODE_NOT_READY = "NodeNotReady", "Kubernetes says that the node is not ready; the rollout goes on with the others."
    NODE_CORDONED_BY_ADMIN = "NodeCordonedByAdmin", "An admin cordoned the node; it is left alone."
    NODE_UNCORDONED_BY_ADMIN = (
        "NodeUncordonedByAdmin",
        "An admin uncordoned a node that was about to be flashed; it is left alone.",
    )
    IN_USE_BY_MODELS = "InUseByModels", "The deleted pool waits until no AsrModel names it."
    # Cards.
    FLASHING = "Flashing", "A bitstream is being written. It is never interrupted."
    FLASH_TOOL_SILENT = (
        "FlashToolSilent",
        "The flash tool writes and has said nothing for a while. It is waited for, as a write is never cut off.",
    )
    FLASH_FAILED = "FlashFailed", "The flash tool or the check after it failed."
    POWER_CYCLE_REQUIRED = "PowerCycleRequired", "The new bitstream needs a power cycle to become live."
    POWER_CYCLING = "PowerCycling", "The machine is switched off and on again, which makes what was written live."
    POWER_CONTROLLER_UNKNOWN = (
        "PowerControllerUnknown",
        "The Node does not name its machine's power controller: annotate it with asr.gharial.dev/bmc.",
    )
    POWER_CONTROLLER_FAILED = (
        "PowerControllerFailed",
        "A machine's power controller refuses, fails, does not answer or is wrong; it is asked again.",
    )
    CARD_NOT_ENUMERATED = "CardNotEnumerated", "A card that was there is missing on the PCI bus."
    CARD_UNHEALTHY = "CardUnhealthy", "A card fails its health check."
    GPUS_NOT_OFFERED = (
        "GpusNotOffered",
        "No node of the pool offers GPUs as the pool claims them: NVIDIA's device plugin or DRA driver is missing.",
    )
    NVML_UNAVAILABLE = "NvmlUnavailable", "The agent cannot ask NVIDIA's driver how the node's GPUs are."
    CHECKSUM_MISMATCH = "ChecksumMismatch", "A file's sha256 is not the one in the spec."
    CHECKPOINT_NOT_FOUND = "CheckpointNotFound", "The checkpoint's uri leads to no file."
    CHECKPOINT_UNREACHABLE = "CheckpointUnreachable", "The checkpoint could not be fetched."
    BITSTREAM_UNAVAILABLE = "BitstreamUnavailable", "The bitstream could not be fetched."
    # Licences.
    LICENCES_VALID = "LicencesValid", "Every card that needs a licence has a valid one."
    LICENCES_NOT_NEEDED = "LicencesNotNeeded", "This driver needs no licence."
    LICENCE_MISSING = "LicenceMissing", "No licence for a card's unique id was found."
    LICENCE_FOR_ANOTHER_CARD = "LicenceForAnotherCard", "There are licences, but none for this card's unique id."
    LICENCE_SIGNATURE_WRONG = "LicenceSignatureWrong", "A licence was changed, or is another issuer's."
    LICENCE_EXPIRED = "LicenceExpired", "A licence has run out."
    LICENCE_VERSION_EXCEEDED = (
        "LicenceVersionExceeded",
        "The bitstream is newer than the newest version the licence allows.",
    )
    LICENCE_RELEASE_DATE_EXCEEDED = (
        "LicenceReleaseDateExceeded",
        "The bitstream was released after the newest date the licence allows.",
    )
    LICENCE_EXPIRES_SOON = "LicenceExpiresSoon", "A licence runs out within 30 days; its card still serves."
    # Models.
    POOL_NOT_FOUND = "PoolNotFound", "The AsrCardPool that poolRef names does not exist."
    CAPACITY_UNKNOWN = "CapacityUnknown", "Neither the pool nor the published table knows this architecture's streams."
    INSUFFICIENT_CARDS = "InsufficientCards", "Fewer usable cards than replicas."
    CARDS_AVAILABLE = "CardsAvailable", "As many usable cards as replicas, or more."
    SCALED_TO_ZERO = "ScaledToZero", "replicas is 0: the model serves no stream."
    PODS_STARTING = "PodsStarting", "Pods are being scheduled, started or warmed up."
    PODS_READY = "PodsReady", "Every pod is ready for streams."
    POD_FAILING = "PodFailing", "A pod starts and fails again; its last words are in the message."
    ROLLING_OUT = "RollingOut", "Pods of an older spec are being replaced."
    ROLLED_OUT = "RolledOut", "Every pod runs the current spec."
    GATEWAY_API_MISSING = "GatewayApiMissing", "The cluster has no Gateway API; the model is reachable by its Service."
    ROUTE_PENDING = "RoutePending", "The gateway has not judged the route yet."
    ROUTE_ACCEPTED = "Accepted", "The gateway serves the route."
    ROUTE_REFUSED = "RouteRefused", "The gateway refused the route; its own words are in the message."


class Condition(ApiModel):
    """One aspect of an object's state, as Kubernetes writes it."""

    type: str = Field(max_length=64)
    """Name of the aspect, such as Ready."""
    status: Status
    """True, False or Unknown."""
    reason: str = Field(max_length=64)
    """One word for why; all of them are explained in docs/reference/conditions.md."""
    message: str = Field(max_length=4096)
    """A sentence for people: what is so, and what to do about it."""
    last_transition_time: datetime = Field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    """When status last changed."""
    observed_generation: int = 0
    """metadata.generation that this condition was computed from."""
