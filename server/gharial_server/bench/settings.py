"""What a measurement is told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class BenchSettings:
    """arch: a published architecture, with random weights unless checkpoint is given. paced: at real-time pace."""

    arch: str
    streams: int
    seconds: float
    paced: bool
    threads: int
    precision: Literal["int8", "float32"]
    checkpoint: Path | None

    def __post_init__(self) -> None:
        if self.streams < 1 or self.threads < 1 or self.seconds <= 0:
            raise ValueError("--streams, --threads and --seconds must be positive")
