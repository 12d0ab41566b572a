"""Greedy decoding on a device: every slot's prediction network, and results laid out for the host.

Shapes: B rows of a batch, R slots to be made new, J joint size, M = MAX_SYMBOLS.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from gharial_asr.decoding.greedy import MAX_SYMBOLS
from gharial_asr.device.keywords import DeviceKeywords, RowKeywords
from gharial_asr.device.rounds import Rounds, round_places
from gharial_asr.emissions import Emissions, Runs
from gharial_asr.inference.network import Network
from gharial_asr.state import Prediction, after_start


class GreedyOnDevice:
    """Implements `gharial_asr.device.decoding.DeviceDecoder`."""

    def __init__(self, network: Network, device: torch.device, slots: int) -> None:
        self.network, self.spare, self.device = network, slots, device
        with torch.device(device):
            self.prediction = Prediction.zeros(network.config, slots + 1)
            self._start = after_start(network)
            self.keyword_S = torch.zeros(slots + 1, dtype=torch.long)
        self.keywords = DeviceKeywords(slots, network.config.n_classes, device, dense=True)

    @property
    def bytes_per_slot(self) -> int:
        return self.prediction.bytes // (self.spare + 1)

    def kernels(self, batch: int) -> "GreedyKernels":
        return GreedyKernels(self, batch)

    def make_new(self, slots_R: Tensor) -> None:
        self.prediction.scatter(slots_R, self._start.gather(torch.zeros_like(slots_R)))
        self.keyword_S.index_fill_(0, slots_R, 0)

    def open(self, slot: int) -> None:
        """The host keeps nothing."""

    def tell(self, slots_B: NDArray[np.int64]) -> NDArray[np.int32]:
        return np.zeros(len(slots_B), np.int32)

    def emissions(self, found: NDArray[Any], slots_B: NDArray[np.int64], frames_B: NDArray[np.int32]) -> Emissions:
        rows, batch = len(slots_B), (len(found) - 1) // (1 + 2 * MAX_SYMBOLS)
        counts_B = found[1 : 1 + rows].copy()
        tokens_BM, bits_BM = found[1 + batch :].reshape(2, batch, MAX_SYMBOLS)[:, :rows]
        valid_BM = np.arange(MAX_SYMBOLS) < counts_B[:, None]
        probabilities_N = bits_BM[valid_BM].view(np.float32)
        return Emissions.settled_only(Runs(counts_B, tokens_BM[valid_BM], frames_B.repeat(counts_B), probabilities_N))


class GreedyKernels:
    """Implements `gharial_asr.device.decoding.Kernels`.

    found int32: rows that are not done yet, counts (B), tokens (B, M), probabilities (B, M) as the bits of float32, the
    first count of each row valid.
    """

    def __init__(self, decoder: GreedyOnDevice, batch: int) -> None:
        self._decoder = decoder
        self._rounds = Rounds(decoder.network, batch, decoder.device)
        self._keywords = RowKeywords(decoder.keywords, batch + 1)
        self._places = round_places(batch)
        self.found = torch.zeros(1 + batch * (1 + 2 * MAX_SYMBOLS), dtype=torch.int32, device=decoder.device)

    def first(self, f_BJ: Tensor, slots_B: Tensor, told_B: Tensor, boosted: bool) -> None:
        decoder, slots_R = self._decoder, F.pad(slots_B, (0, 1), value=self._decoder.spare)
        keywords = self._keywords if boosted else None
        if keywords is not None:
            keywords.begin(slots_R, decoder.keyword_S.index_select(0, slots_R))
        self._rounds.begin(f_BJ, slots_B != decoder.spare, decoder.prediction.gather(slots_R), keywords)
        self.more(slots_B, boosted)

    def more(self, slots_B: Tensor, boosted: bool) -> None:
        rounds, keywords = self._rounds, self._keywords if boosted else None
        waiting = rounds.go_on(self._places, keywords)
        self._decoder.prediction.scatter(slots_B, rounds.networks())
        if keywords is not None:
            self._decoder.keyword_S.index_copy_(0, slots_B, keywords.states_R[:-1])
        parts = (
            waiting.reshape(1).int(),
            rounds.counts_R[:-1].int(),
            rounds.tokens_RM[:-1, :-1].reshape(-1),
            rounds.probabilities_RM[:-1, :-1].reshape(-1).view(torch.int32),
        )
        self.found.copy_(torch.cat(parts))
