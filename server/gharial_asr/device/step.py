"""The kernels of one step of a batch of fixed size, between two buffers that stay where they are.

Shapes: B rows of the batch, N samples of a step, J joint size.

There are two kernel sequences. `first` does everything: features, encoder, the first rounds of decoding, states written
back, results laid out. `more` only adds rounds, for frames in which a stream says more than the first rounds hold.
Neither asks the device for anything, and neither has a shape that depends on what is said, so each can be a CUDA graph.
Both are there twice, with keywords and without: most of the time nobody has any.
"""

import torch
from torch import Tensor

from gharial_asr.device.states import DeviceStates
from gharial_asr.inference.network import Network
from gharial_asr.streaming import StreamingFeatures

WORDS = 2
"""Numbers that come with a row's samples, as the bits of int32: its slot, and what its decoder is told."""


class Step:
    """A step of B rows.

    given_BN (B, samples + WORDS) float32: each row's samples and its two words; one buffer, one copy.
    found: see `gharial_asr.device.decoding.Kernels`.
    """

    def __init__(self, network: Network, front_end: StreamingFeatures, states: DeviceStates, batch: int) -> None:
        self._network, self._front_end, self._states = network, front_end, states
        self._decoding = states.decoder.kernels(batch)
        self.given_BN = torch.zeros(batch, front_end.step_samples + WORDS, device=states.device)
        self.found = self._decoding.found

    def first(self, boosted: bool = False) -> None:
        """From the samples to states written back and results laid out. boosted: whether any slot has keywords."""
        states, (slots_B, told_B) = self._states.on_device, self._words()
        x_BSF, history_BH = self._front_end.step(self.given_BN[:, :-WORDS], states.history_SN.index_select(0, slots_B))
        pre, post = states.pre.gather(slots_B), states.post.gather(slots_B)
        f_BJ = self._network.encode(x_BSF, (pre.hidden, pre.cell), (post.hidden, post.cell))
        states.history_SN.index_copy_(0, slots_B, history_BH)
        states.pre.scatter(slots_B, pre)
        states.post.scatter(slots_B, post)
        self._decoding.first(f_BJ, slots_B, told_B, boosted)

    def more(self, boosted: bool = False) -> None:
        """Further rounds of the same step, states written back and results laid out anew."""
        self._decoding.more(self._words()[0], boosted)

    def _words(self) -> tuple[Tensor, Tensor]:
        slots_B, told_B = self.given_BN[:, -WORDS:].view(torch.int32).long().unbind(1)
        return slots_B, told_B
