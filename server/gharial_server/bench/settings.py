"""What a measurement is told."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gharial_asr.precision import Precision

Backend = Literal["cpu", "cuda"]
DEFAULT_PRECISION: dict[Backend, Precision] = {"cpu": "int8", "cuda": "bf16"}

P99_LIMIT_MS = 60.0
"""`--search`: answers come within one frame time, 99 times out of 100."""


@dataclass(frozen=True)
class BenchSettings:
    """model: a published architecture's name (random weights), or the file of a checkpoint or artefact.

    paced: at real-time pace. decoder, resets: with the settings that are published for them. audio: recordings that the
    streams say over and over; noise without any.
    """

    model: str
    streams: int
    seconds: float
    paced: bool = True
    threads: int = 1
    precision: Precision = "int8"
    audio: tuple[Path, ...] = ()
    decoder: Literal["greedy", "beam"] = "greedy"
    resets: bool = False
    backend: Backend = "cpu"

    def __post_init__(self) -> None:
        if self.streams < 1 or self.threads < 1 or not 0 < self.seconds < math.inf:
            raise ValueError("--streams, --threads and --seconds must be positive")
        if self.resets and not self.paced:
            raise ValueError(
                "--state-resets fall on other moments for every stream at real-time pace alone; leave out --unpaced"
            )

    def lasting(self, seconds: float) -> "BenchSettings":
        """The same for another time."""
        return replace(self, seconds=seconds)
