"""What a decoder is told. docs/reference/decoding.md explains each number and where it comes from."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

DecoderName = Literal["greedy", "beam"]
DECODERS: tuple[DecoderName, ...] = ("greedy", "beam")


@dataclass(frozen=True)
class DecoderSettings:
    """decoder: which one; everything else is beam search's. A negative threshold prunes nothing.

    beam_width: hypotheses kept, and tokens tried after each. temperature: what logits are divided by.
    token_threshold: how far below the best class a token may be. score_threshold: how far below the best hypothesis
    another may be, per token. seconds_open: a token that is older is settled. fuzzy: tokens come from the maxima of
    groups of eight logits. ngram_scale: weight of the model's n-gram; None for the one that came with it, 0 without.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    decoder: DecoderName = "greedy"
    beam_width: int = 4
    temperature: float = 1.4
    token_threshold: float = 1.5
    score_threshold: float = 0.4
    seconds_open: float = 1.25
    fuzzy: bool = False
    ngram_scale: float | None = None

    def __post_init__(self) -> None:
        if self.decoder not in DECODERS:
            raise ValueError(f"decoder is {self.decoder!r}; there are {', '.join(DECODERS)}")
        if not 1 <= self.beam_width <= MOST_WIDTH:
            raise ValueError(f"the beam's width is {self.beam_width}; give 1 to {MOST_WIDTH}")
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"the temperature is {self.temperature}; it must be above 0")
        if not self.seconds_open >= 0:
            raise ValueError(f"tokens cannot be settled after {self.seconds_open} s; give 0 or more")
        if self.ngram_scale is not None and not 0 <= self.ngram_scale < math.inf:
            raise ValueError(f"the n-gram's weight is {self.ngram_scale:g}; give 0 (without it) or more, such as 0.05")


MOST_WIDTH = 16
"""Wider beams are slower without being better."""

GREEDY = DecoderSettings()
BEAM = DecoderSettings(decoder="beam")
