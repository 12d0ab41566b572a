"""How many real-time streams one card carries: a fact of card, architecture, decoder and state resets together.

The achronix figures are the ones published for CAIMAN-ASR. The others are cautious starting values for hardware whose
speed nobody published: measure yours and write it into the pool's `capacity`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Driver = Literal["achronix", "cuda", "cpu", "simulated"]
Decoder = Literal["greedy", "beam"]


@dataclass(frozen=True)
class CapacityKey:
    """What a card's capacity depends on, beside the card itself."""

    architecture: str
    decoder: Decoder
    state_resets: bool


@dataclass(frozen=True)
class FourFigures:
    """Streams per card of one architecture."""

    greedy: int
    beam: int
    greedy_resets: int
    beam_resets: int

    def at(self, decoder: Decoder, state_resets: bool) -> int:
        """The figure for a decoder, with or without state resets."""
        if decoder == "greedy":
            return self.greedy_resets if state_resets else self.greedy
        return self.beam_resets if state_resets else self.beam


#: Streams per card; for driver cpu, streams per core.
DEFAULTS: dict[Driver, dict[str, FourFigures]] = {
    "achronix": {
        "base": FourFigures(2000, 1300, 1600, 1200),
        "large": FourFigures(800, 500, 650, 400),
    },
    "cuda": {
        "starter": FourFigures(800, 520, 640, 480),
        "testing": FourFigures(600, 390, 480, 360),
        "base": FourFigures(400, 260, 320, 240),
        "large": FourFigures(200, 125, 160, 100),
    },
    "cpu": {  # measured with AVX2, answers within 60 ms: docs/benchmarks.md
        "starter": FourFigures(16, 8, 12, 6),
        "testing": FourFigures(24, 12, 18, 9),
        "base": FourFigures(20, 10, 15, 7),
        "large": FourFigures(8, 4, 6, 3),
    },
    "simulated": {
        "starter": FourFigures(16, 8, 12, 6),
        "testing": FourFigures(8, 4, 6, 3),
        "base": FourFigures(5, 3, 4, 2),
        "large": FourFigures(2, 1, 1, 1),
    },
}


def streams_per_card(
    driver: Driver, key: CapacityKey, overrides: Iterable[tuple[CapacityKey, int]] = (), cores: int = 1
) -> int | None:
    """Streams that one card carries, or None when neither the pool's overrides nor the table know the architecture.

    `cores` counts for driver cpu only, whose table is per core. An override is per card and never multiplied.
    """
    for known, streams in overrides:
        if known == key:
            return streams
    figures = DEFAULTS[driver].get(key.architecture)
    if figures is None:
        return None
    streams = figures.at(key.decoder, key.state_resets)
    return streams * cores if driver == "cpu" else streams
