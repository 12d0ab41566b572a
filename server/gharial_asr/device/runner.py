"""The runner of an accelerator: batches of a few fixed sizes, states that never leave the device.

Shapes: B streams of a batch, N samples of a step.
"""

import logging
import time
from bisect import bisect_left
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from gharial_asr.compilation import Arithmetic
from gharial_asr.decoding.greedy import MAX_SYMBOLS
from gharial_asr.device.graphs import Graphs
from gharial_asr.device.placing import place_front_end, place_network
from gharial_asr.device.products import DevicePrecision
from gharial_asr.device.program import Found, Program
from gharial_asr.device.states import DeviceStates
from gharial_asr.emissions import Emissions, Runs
from gharial_asr.inference.network import Network
from gharial_asr.runner import Batch
from gharial_asr.streaming import StreamingFeatures

log = logging.getLogger(__name__)

# From here on twice as large each time, so that never more than half of a batch is filling.
_SMALL_BUCKETS = (1, 8, 32)


def buckets(slots: int) -> tuple[int, ...]:
    """The batch sizes of a runner with so many slots, the largest of which is all of them."""
    sizes = list(_SMALL_BUCKETS)
    while sizes[-1] < slots:
        sizes.append(2 * sizes[-1])
    return (*(size for size in sizes if size < slots), slots)


class DeviceRunner:
    """Implements `gharial_asr.runner.Runner` with greedy decoding on a device.

    On a GPU each batch size is captured as CUDA graphs when the runner is made. Anywhere else the same kernels are
    called one by one, slowly: so tests run the very step that a GPU runs.
    """

    def __init__(self, network: Network, front_end: StreamingFeatures, slots: int, device: torch.device) -> None:
        """network, front_end: on the device already (`gharial_asr.device.placing`)."""
        self._network, self._front_end, self._device = network, front_end, device
        self._prepare(slots)

    @classmethod
    def of_model(cls, model: Arithmetic, slots: int, device: torch.device, precision: DevicePrecision) -> Self:
        """A runner of a compiled model."""
        return cls(place_network(model, device, precision), place_front_end(model, device), slots, device)

    def with_slots(self, slots: int) -> Self:
        """Another runner on the same weights, with another number of slots, all closed."""
        return type(self)(self._network, self._front_end, slots, self._device)

    @torch.inference_mode()
    def _prepare(self, slots: int) -> None:
        began = time.monotonic()
        self._states = DeviceStates(self._network, slots, self._front_end.history_samples, self._device)
        self._sizes = buckets(slots)
        parts = self._network, self._front_end, self._states
        self._programs = [Program(*parts, size, self._device) for size in self._sizes]
        if self._device.type == "cuda":
            graphs = Graphs(self._device)
            # The largest first: the others then find their memory in its pool.
            for program in reversed(self._programs):
                program.capture(graphs.capture)
            log.info("CUDA graphs for batches of %s in %.1f s", self._sizes, time.monotonic() - began)

    @property
    def slots(self) -> int:
        return self._states.slots

    @property
    def step_samples(self) -> int:
        return self._front_end.step_samples

    @property
    def bytes_per_stream(self) -> int:
        """Device memory of one stream's state."""
        return self._states.bytes_per_slot

    def open(self, slot: int, generation: int) -> None:
        self._states.open(slot, generation)

    def free(self, slot: int) -> None:
        self._states.close(slot)

    @torch.inference_mode()
    def step(self, batch: Batch) -> Emissions:
        slots_B = batch.slots.astype(np.int64)
        self._states.check(slots_B, batch.generations)
        self._states.renew()
        program = self._programs[bisect_left(self._sizes, len(slots_B))]
        found = program.run(slots_B, batch.samples)
        return Emissions.settled_only(_runs(found, self._states.next_frames(slots_B)))

    def close(self) -> None:
        """Lets go of graphs, buffers and states."""
        self._programs.clear()


def _runs(found: Found, frames_B: NDArray[np.int32]) -> Runs:
    """What a step found, without what only fills up."""
    valid_BM = np.arange(MAX_SYMBOLS) < found.counts[:, None]
    return Runs(
        found.counts.copy(),
        found.tokens[valid_BM],
        frames_B.repeat(found.counts),
        found.probabilities[valid_BM],
    )
