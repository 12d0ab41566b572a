"""A finding: what is wrong in plain words, and what to do about it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gharial_api.base import JsonObject
from gharial_api.conditions import Documented

from gharial_admin.looking.snapshot import Snapshot

Severity = Literal["error", "warning"]


class Code(Documented):
    """One word for each kind of finding, for scripts and searches."""

    # The cluster.
    KUBERNETES_TOO_OLD = "KubernetesTooOld", "Kubernetes is older than Gharial needs."
    DRA_MISSING = "DraMissing", "The API server does not serve resource.k8s.io/v1: cards cannot be scheduled."
    GATEWAY_API_MISSING = "GatewayApiMissing", "There is no Gateway API: models are reachable inside the cluster only."
    NO_GATEWAY_CLASS = "NoGatewayClass", "No controller has accepted a GatewayClass: nobody would serve a Gateway."
    CLOCK_SKEW = "ClockSkew", "Clocks differ: licences and waiting times are judged by them."
    NODE_NOT_READY = "NodeNotReady", "Kubernetes says that a node with cards is not ready."
    # The installation.
    NOT_INSTALLED = "NotInstalled", "Nothing of Gharial is in the cluster."
    DEFINITIONS_MISSING = "DefinitionsMissing", "Custom resource definitions are missing."
    DEFINITIONS_DIFFER = "DefinitionsDiffer", "Custom resource definitions are of another version than this gharial."
    OBJECT_UNREADABLE = "ObjectUnreadable", "An object cannot be read by this version of gharial."
    DEVICE_CLASS_MISSING = "DeviceClassMissing", "The DeviceClass asr-card is gone: no pod can ask for a card."
    OPERATOR_MISSING = "OperatorMissing", "The operator is not installed."
    OPERATOR_DOWN = "OperatorDown", "No replica of the operator is ready."
    OPERATOR_NOT_LEADING = "OperatorNotLeading", "No replica of the operator holds the Lease."
    OPERATOR_BEHIND = "OperatorBehind", "An object was changed, and the operator has not looked at it since."
    AGENT_MISSING = "AgentMissing", "A node of a pool has no running agent."
    POD_FAILING = "PodFailing", "A pod of Gharial's does not run."
    VERSIONS_DIFFER = "VersionsDiffer", "Operator, agents and servers are of different versions."
    # Cards and licences.
    CARD_BROKEN = "CardBroken", "A card is dead, unhealthy or taken out of service."
    CARD_NOT_OFFERED = "CardNotOffered", "The scheduler is not told of a node's cards."
    LICENCE_REFUSED = "LicenceRefused", "A card may not serve because of its licence."
    LICENCE_EXPIRES_SOON = "LicenceExpiresSoon", "A licence runs out within 30 days."
    # Pools and rollouts.
    POOL_NOT_READY = "PoolNotReady", "A pool does not do what its spec asks for."
    POOLS_OVERLAP = "PoolsOverlap", "Two pools select the same node; the older one keeps it."
    ROLLOUT_PAUSED = "RolloutPaused", "A rollout waits because an admin paused it."
    ROLLOUT_STOPPED = "RolloutStopped", "A rollout goes no further until a person acts."
    ROLLOUT_HELD_UP = "RolloutHeldUp", "A rollout waits for something that may not come by itself."
    FLASH_RETRIED = "FlashRetried", "A flash or a drain failed and is tried again."
    CORDON_LEFT_BEHIND = "CordonLeftBehind", "A node is cordoned for a pool that is gone."
    # Models and the gateway.
    MODEL_NOT_READY = "ModelNotReady", "A model does not serve as its spec asks for."
    POD_WAITS_FOR_CARD = "PodWaitsForCard", "A server pod finds no card."
    GATEWAY_NOT_READY = "GatewayNotReady", "The Gateway of a model does not work."
    ROUTE_REFUSED = "RouteRefused", "A model cannot be reached through its Gateway."


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. remedy: what to do, mostly a command."""

    code: Code
    severity: Severity
    subject: str
    says: str
    remedy: str
    since: datetime | None = None

    def to_json(self) -> JsonObject:
        """For machines."""
        since = {"since": self.since.isoformat()} if self.since else {}
        parts = {"code": self.code.value, "severity": self.severity, "subject": self.subject, "says": self.says}
        return {**parts, "remedy": self.remedy, **since}


Theme = Callable[[Snapshot], Iterable[Finding]]


def error(code: Code, subject: str, says: str, remedy: str, since: datetime | None = None) -> Finding:
    """Somebody should act now."""
    return Finding(code, "error", subject, says, remedy, since)


def warning(code: Code, subject: str, says: str, remedy: str, since: datetime | None = None) -> Finding:
    """Nothing is lost yet."""
    return Finding(code, "warning", subject, says, remedy, since)
