"""What a runner asks of a decoder.

Shapes: B streams of a batch, J joint size. A decoder keeps what it knows of every slot, from `open` on.
"""

from typing import Protocol

from torch import Tensor

from gharial_asr.emissions import Emissions


class Decoder(Protocol):
    """From projected encoder outputs to tokens, for many slots."""

    @property
    def bytes_per_slot(self) -> int:
        """Memory that one stream's state takes."""

    def open(self, slot: int) -> None:
        """Makes a slot as new."""

    def step(self, f_BJ: Tensor, slots_B: Tensor, frames_B: Tensor) -> Emissions:
        """Decodes one encoder output of each slot named (int64, no slot twice). frames: its number in the stream."""
