"""What a load test is told: the same in every process."""

from dataclasses import dataclass, field

from gharial_wire.audio import FRAME_SAMPLES


@dataclass(frozen=True)
class LoadPlan:
    """How every stream of a test speaks.

    url: the whole URL of a stream; recordings: S16LE at 16 kHz, none empty; chunk: samples in a message;
    stream_seconds: a stream ends with the first recording that ends after so much audio; seed: of all chance.
    """

    url: str
    recordings: tuple[bytes, ...]
    headers: dict[str, str] = field(default_factory=dict)
    chunk: int = FRAME_SAMPLES
    stream_seconds: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Level:
    """One measurement: `streams` at once, begun within `ramp` seconds, then measured for `seconds`."""

    streams: int
    ramp: float
    seconds: float


def share(streams: int, process: int, processes: int) -> int:
    """How many of the streams are this process's; grows with `streams`, so that growing closes no stream."""
    return (streams + processes - 1 - process) // processes
