"""How a new bitstream reaches the nodes of a pool, and when it stops by itself."""

from typing import Literal

from pydantic import ConfigDict, Field

from gharial_api.base import ApiModel, NamedRef, cel, rules
from gharial_api.values import IntOrPercent

Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


class Canary(ApiModel):
    """A new bitstream proves itself on a few nodes first."""

    nodes: int = Field(default=1, ge=1, le=1000)
    """How many nodes get it first."""
    soak_seconds: int = Field(default=600, ge=0, le=604_800)
    """How long they must stay healthy before the other nodes follow."""


class Drain(ApiModel):
    """How a node's streams are waited for before its cards are flashed."""

    timeout_seconds: int = Field(default=3600, ge=0, le=604_800)
    """How long the node's pods and streams may take to go; then onTimeout decides."""
    on_timeout: Literal["Wait", "Abort", "Force"] = "Wait"
    """Wait goes on waiting and says so, Abort gives the node back and tries again after backoffSeconds, Force ends the
    pods with their streams."""


class MaintenanceWindow(ApiModel):
    """A time in which nodes may be taken out of service."""

    days: list[Day] = Field(default=[], max_length=7)
    """Days on which the window opens; every day when empty."""
    start: str = Field(
        max_length=5,
        json_schema_extra=rules(
            cel("self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')", "must be a time of day, such as 02:30")
        ),
    )
    """When it opens, as HH:MM in timeZone."""
    duration_minutes: int = Field(ge=1, le=10_080)
    """How long it stays open."""
    time_zone: str = Field(
        default="UTC",
        max_length=64,
        json_schema_extra=rules(
            # A zone that nobody knows makes the rule itself fail, and the API server says "unknown time zone".
            cel(
                "timestamp('2026-01-01T00:00:00Z').getHours(self) >= 0",
                "must be a name of the time zone database, such as Europe/Berlin",
            )
        ),
    )
    """Time zone of start, as the time zone database names it."""


class MachinePower(ApiModel):
    """How the machines' power is switched, for cards that get theirs from the machine."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "self.provider != 'redfish' || has(self.secretRef)",
                "spec.upgradePolicy.powerCycle needs secretRef for provider redfish: a Secret with username and "
                "password in the operator's namespace",
            ),
        )
    )

    provider: Literal["redfish", "manual"]
    """redfish: the operator asks each machine's management controller, at the address in the Node's annotation
    asr.gharial.dev/bmc. manual: the node waits until a person has power-cycled it, and says so."""
    secret_ref: NamedRef | None = None
    """Secret in the operator's namespace with the controllers' login: keys username, password, and ca.crt where their
    certificates are not signed by a public authority."""
    shutdown_seconds: int = Field(default=120, ge=0, le=3600)
    """How long the operating system may take to end before its power is cut; 0 cuts it at once."""


class UpgradePolicy(ApiModel):
    """How a new bitstream reaches the pool's nodes."""

    paused: bool = False
    """Stops before the next node; a flash that has begun is finished, a node that has not is given back."""
    max_unavailable: IntOrPercent = 1
    """Nodes that may be out of service at a time, as a number or a percentage of the pool's nodes (rounded down, but
    never below 1). Nodes that are down for other reasons count."""
    min_available_streams: int = Field(default=0, ge=0)
    """Streams that the pool's ready cards must go on carrying, free and used ones together."""
    canary: Canary | None = None
    """When set, the first nodes are watched for a while before the others follow."""
    drain: Drain = Drain()
    """How a node's streams are waited for."""
    maintenance_windows: list[MaintenanceWindow] = Field(default=[], max_length=32)
    """When nodes may be taken out of service; at any time when empty. A flash that has begun is finished."""
    power_cycle: MachinePower | None = None
    """When set, a written bitstream is made live by a power cycle of the whole machine. Without it simulated cards are
    power-cycled one by one, and machines with achronix cards wait for a person, as with provider manual."""
    retries: int = Field(default=3, ge=0, le=100)
    """Attempts after a failed flash before the node is given up. Raise it to try again once the cause is mended."""
    backoff_seconds: int = Field(default=60, ge=0, le=86_400)
    """Pause before a failed node may try again; doubles with each attempt."""
    rollback_on_failure: bool = False
    """A node that is given up gets the last bitstream back with which all its cards were fit for service."""
    reset: str = Field(default="", max_length=64)
    """Any word, such as a date. A new one forgives all failures: quarantined nodes are tried again and an open circuit
    breaker closes."""


class Health(ApiModel):
    """When the pool is too broken to go on."""

    max_unhealthy_percent: int = Field(default=40, ge=0, le=100)
    """With more than this share of nodes broken, no further node is flashed until an admin sees to it."""
