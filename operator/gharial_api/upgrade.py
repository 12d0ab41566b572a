"""How a new bitstream reaches the nodes of a pool, and when it stops by itself."""

from pydantic import Field

from gharial_api.base import ApiModel
from gharial_api.values import IntOrPercent


class Canary(ApiModel):
    """A new bitstream proves itself on a few nodes first."""

    nodes: int = Field(default=1, ge=1, le=1000)
    """How many nodes get it first."""
    soak_seconds: int = Field(default=600, ge=0, le=604_800)
    """How long they must stay healthy before the other nodes follow."""


class UpgradePolicy(ApiModel):
    """How a new bitstream reaches the pool's nodes."""

    paused: bool = False
    """Stops before the next node; what is under way is finished."""
    max_unavailable: IntOrPercent = 1
    """Nodes that may be out of service at a time, as a number or a percentage of the pool's nodes (rounded down, but
    never below 1). Nodes that are down for other reasons count."""
    min_available_streams: int = Field(default=0, ge=0)
    """Streams that the pool's ready cards must go on carrying, free and used ones together."""
    canary: Canary | None = None
    """When set, the first nodes are watched for a while before the others follow."""
    retries: int = Field(default=3, ge=0, le=100)
    """Attempts after a failed flash before the node is given up. Raise it to try again once the cause is mended."""
    backoff_seconds: int = Field(default=60, ge=0, le=86_400)
    """Pause before a failed node may try again; doubles with each attempt."""


class Health(ApiModel):
    """When the pool is too broken to go on."""

    max_unhealthy_percent: int = Field(default=40, ge=0, le=100)
    """With more than this share of nodes broken, no further node is flashed until an admin sees to it."""
