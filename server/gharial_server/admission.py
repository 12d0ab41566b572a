"""Who gets in: pure decisions on a new stream and on readiness.

A refusal comes before the WebSocket upgrade, as HTTP 503 with Retry-After, so that a gateway may try another
server. Readiness goes off a little earlier: new streams then avoid this server while live ones stay.
"""

import enum
from dataclasses import dataclass


class Phase(enum.Enum):
    """Where the server stands."""

    LOADING = "loading"
    SERVING = "serving"
    DRAINING = "draining"
    FAILED = "failed"


@dataclass(frozen=True)
class Load:
    """Streams open now and streams at most."""

    active: int
    capacity: int


@dataclass(frozen=True)
class Refusal:
    """Why a stream is refused. `reason` is a metric's label, `message` tells the client."""

    status: int
    reason: str
    message: str
    retry_after: int | None = None


def refuse(phase: Phase, load: Load, retry_after: int) -> Refusal | None:
    """Whether a new stream must be refused, and why."""
    if phase is Phase.LOADING:
        return Refusal(503, "loading", "the model is still being loaded; try again later", retry_after)
    if phase is Phase.FAILED:
        return Refusal(503, "failed", "the recogniser has stopped and is starting again; try again later", retry_after)
    if phase is Phase.DRAINING:
        return Refusal(503, "draining", "the server is shutting down; try again, another one takes over", retry_after)
    if load.active >= load.capacity:
        message = f"maximum number of simultaneous connections reached ({load.capacity}); try again later"
        return Refusal(503, "full", message, retry_after)
    return None


def unready(phase: Phase, load: Load, headroom: int) -> str | None:
    """Why new streams should go elsewhere, or None when they are welcome.

    headroom: streams that are kept free; with 0 the server is ready until its last place is taken.
    """
    if phase is not Phase.SERVING:
        return {
            Phase.LOADING: "loading: the model is not loaded yet",
            Phase.DRAINING: f"draining: {load.active} streams are still open",
            Phase.FAILED: "failed: the recogniser has stopped and is starting again",
        }[phase]
    free = load.capacity - load.active
    if free <= headroom:
        return f"full: {load.active} of {load.capacity} streams are open and {headroom} are kept free"
    return None
