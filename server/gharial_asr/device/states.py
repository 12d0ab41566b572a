"""The states of all slots on a device, and whose they are, on the host.

Shapes: S slots, B rows of a batch, R slots to be made new.

There is one slot more than streams can have, the spare one: rows that only fill up a batch read it and write it.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gharial_asr.device.decoding import DeviceDecoder
from gharial_asr.inference.network import Network
from gharial_asr.state import SlotStates, StaleSlotError


class DeviceStates:
    """Slots' states on a device. What is asked of slots is asked of the host's memory; the device is never waited for.

    Opening a slot only notes it. `renew` makes all slots new that were opened since, just before the next step.
    """

    def __init__(
        self, network: Network, slots: int, history_samples: int, device: torch.device, decoder: DeviceDecoder
    ) -> None:
        """decoder: for as many slots on the same device."""
        self.slots = slots
        self.device = device
        self.decoder = decoder
        with torch.device(device):
            self.on_device = SlotStates(network, slots + 1, history_samples)
        self._generations_S = np.zeros(slots, np.uint32)
        self._frames_S = np.zeros(slots, np.int32)
        self._opened: set[int] = set()

    @property
    def bytes_per_slot(self) -> int:
        """Device memory of one stream's state."""
        return self.on_device.bytes_per_slot + self.decoder.bytes_per_slot

    @property
    def spare(self) -> int:
        """The slot that belongs to nobody."""
        return self.slots

    def open(self, slot: int, generation: int) -> None:
        """Gives a slot to a stream; generation must not be 0, which means closed."""
        self._generations_S[slot] = generation
        self._frames_S[slot] = 0
        self._opened.add(slot)
        self.decoder.open(slot)

    def close(self, slot: int) -> None:
        """Takes a slot from its stream."""
        self._generations_S[slot] = 0

    def check(self, slots_B: NDArray[np.int64], generations_B: NDArray[np.uint32]) -> None:
        """Raises StaleSlotError when a slot is not of the generation named, or is named twice."""
        known_B = (slots_B >= 0) & (slots_B < self.slots) & (generations_B != 0)
        stale_B = ~known_B | (self._generations_S[np.where(known_B, slots_B, 0)] != generations_B)
        if stale_B.any():
            at = int(stale_B.argmax())
            raise StaleSlotError(f"slot {slots_B[at]} is not open for generation {generations_B[at]}")
        if len(np.unique(slots_B)) != len(slots_B):
            raise StaleSlotError("a batch holds one frame of a slot, not more")

    def next_frames(self, slots_B: NDArray[np.int64]) -> NDArray[np.int32]:
        """The frame that each slot is at, counted from the stream's first; the next call says one more."""
        frames_B: NDArray[np.int32] = self._frames_S[slots_B]
        self._frames_S[slots_B] += 1
        return frames_B

    def renew(self) -> None:
        """Makes the slots new that were opened since the last call."""
        if not self._opened:
            return
        slots_R = torch.tensor(sorted(self._opened)).to(self.device, non_blocking=True)
        self._opened.clear()
        self.make_new(slots_R)

    def make_new(self, slots_R: Tensor) -> None:
        """Makes slots new that are named on the device."""
        self.on_device.renew(slots_R)
        self.decoder.make_new(slots_R)
