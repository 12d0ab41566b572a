"""What a decoder on a device is made of: kernels for each batch size, memory of all slots, and a part on the host.

Shapes: B rows of a batch, R slots to be made new, J joint size. All buffers stay where they are; no kernel sequence
has a shape that depends on what is said.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gharial_asr.device.keywords import DeviceKeywords
from gharial_asr.emissions import Emissions


class Kernels(Protocol):
    """The decoding of B rows' next encoder output. boosted: whether any slot has keywords.

    found: what the host is to read, the number of rows that are not done yet before everything else.
    """

    found: Tensor

    def first(self, f_BJ: Tensor, slots_B: Tensor, told_B: Tensor, boosted: bool) -> None:
        """From projected encoder outputs to states written back and results laid out. told: int64, the host's word."""

    def more(self, slots_B: Tensor, boosted: bool) -> None:
        """Further rounds of the same step, states written back and results laid out anew."""


class DeviceDecoder(Protocol):
    """A decoder for all slots; one slot more, the spare one, belongs to rows that only fill up. keywords: of slots."""

    keywords: DeviceKeywords

    @property
    def bytes_per_slot(self) -> int:
        """Device memory of one stream's state."""

    def kernels(self, batch: int) -> Kernels:
        """The kernels for batches of one size."""

    def make_new(self, slots_R: Tensor) -> None:
        """Makes slots new that are named on the device."""

    def open(self, slot: int) -> None:
        """Makes new what the host keeps of a slot."""

    def tell(self, slots_B: NDArray[np.int64]) -> NDArray[np.int32]:
        """A number for each slot that the next step is to know."""

    def emissions(self, found: NDArray[Any], slots_B: NDArray[np.int64], frames_B: NDArray[np.int32]) -> Emissions:
        """What a step yields of its first B rows, from what its kernels found. frames: of each, in its stream."""
