"""The kernels of one step of a batch of fixed size, between two buffers that stay where they are.

Shapes: B rows of the batch, N samples of a step, R = B + 1 working rows, J joint size, M = MAX_SYMBOLS.

There are two kernel sequences. `first` does everything: features, encoder, the first rounds of decoding, states written
back, results laid out. `more` only adds rounds, for frames in which a stream says more than the first rounds hold.
Neither asks the device for anything, and neither has a shape that depends on what is said, so each can be a CUDA graph.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from gharial_asr.decoding.greedy import MAX_SYMBOLS
from gharial_asr.device.rounds import Rounds, round_places
from gharial_asr.device.states import DeviceStates
from gharial_asr.inference.network import Network
from gharial_asr.streaming import StreamingFeatures


class Step:
    """A step of B rows.

    given_BN (B, samples + 1) float32: each row's samples, then its slot as the bits of an int32; one buffer, one copy.
    found int32: rows that are not done yet, counts (B), tokens (B, M), probabilities (B, M) as the bits of float32.
    """

    def __init__(
        self,
        network: Network,
        front_end: StreamingFeatures,
        states: DeviceStates,
        batch: int,
        device: torch.device,
    ) -> None:
        self._network, self._front_end, self._states = network, front_end, states
        self._rounds = Rounds(network, batch, device)
        self._places = round_places(batch)
        self.given_BN = torch.zeros(batch, front_end.step_samples + 1, device=device)
        self.found = torch.zeros(1 + batch * (1 + 2 * MAX_SYMBOLS), dtype=torch.int32, device=device)

    def first(self) -> None:
        """From the samples to states written back and results laid out."""
        states, slots_B = self._states.on_device, self._slots()
        x_BSF, history_BH = self._front_end.step(self.given_BN[:, :-1], states.history_SN.index_select(0, slots_B))
        pre, post = states.pre.gather(slots_B), states.post.gather(slots_B)
        f_BJ = self._network.encode(x_BSF, (pre.hidden, pre.cell), (post.hidden, post.cell))
        states.history_SN.index_copy_(0, slots_B, history_BH)
        states.pre.scatter(slots_B, pre)
        states.post.scatter(slots_B, post)
        slots_R = F.pad(slots_B, (0, 1), value=self._states.spare)
        self._rounds.begin(f_BJ, slots_B != self._states.spare, self._states.prediction.gather(slots_R))
        self.more()

    def more(self) -> None:
        """Further rounds of the same step, the prediction networks written back and results laid out anew."""
        rounds = self._rounds
        waiting = rounds.go_on(self._places)
        self._states.prediction.scatter(self._slots(), rounds.networks())
        parts = (
            waiting.reshape(1).int(),
            rounds.counts_R[:-1].int(),
            rounds.tokens_RM[:-1, :-1].reshape(-1),
            rounds.probabilities_RM[:-1, :-1].reshape(-1).view(torch.int32),
        )
        self.found.copy_(torch.cat(parts))

    def _slots(self) -> Tensor:
        return self.given_BN[:, -1].view(torch.int32).long()
