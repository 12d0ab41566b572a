"""One step of a batch of fixed size: buffers that stay where they are, and the kernels between them.

Shapes: B rows of the bucket, N samples of a step, J joint size, M = MAX_SYMBOLS.

The step is two kernel sequences, each a CUDA graph on a GPU. `first` does everything: features, encoder, the first
rounds of decoding, states written back, results laid out. `more` only adds rounds, for the frames in which a stream
says more than the first rounds hold; the host, which reads the results anyway, sees in them whether any row waits. So a
step costs one copy in, one launch, one copy out and one wait, and seldom a launch and a wait more. Nothing between asks
the device for anything: docs/decisions/0140-gpu-runner.md.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gharial_asr.decoding.greedy import MAX_SYMBOLS
from gharial_asr.device.rounds import Rounds
from gharial_asr.device.states import DeviceStates
from gharial_asr.inference.network import Network
from gharial_asr.streaming import StreamingFeatures

ROUNDS = 4
"""Rounds of one launch. One frame's tokens of one stream take a round each."""

Launch = Callable[[], None]


@dataclass(frozen=True)
class Found:
    """What a step found: counts (B,) int32, tokens (B, M) int32 and probabilities (B, M) float32, the first count of
    each row valid."""

    counts: NDArray[np.int32]
    tokens: NDArray[np.int32]
    probabilities: NDArray[np.float32]


class Program:
    """Steps of up to B streams, on buffers of its own."""

    def __init__(
        self,
        network: Network,
        front_end: StreamingFeatures,
        states: DeviceStates,
        batch: int,
        device: torch.device,
    ) -> None:
        self.batch = batch
        self._network, self._front_end, self._states = network, front_end, states
        self._rounds = Rounds(network, batch, device)
        on_gpu = device.type == "cuda"
        # A row in: its samples, then its slot as the bits of an integer. One buffer is one copy.
        columns = front_end.step_samples + 1
        self._given_BN = torch.zeros(batch, columns, device=device)
        self._host_given_BN = torch.zeros(batch, columns, pin_memory=on_gpu)
        # Out: waiting rows, counts (B), tokens (B, M), then probabilities (B, M) as bits.
        results = 1 + batch * (1 + 2 * MAX_SYMBOLS)
        self._found = torch.zeros(results, dtype=torch.int32, device=device)
        self._host_found = torch.zeros(results, dtype=torch.int32, pin_memory=on_gpu)
        self._arrived = torch.cuda.Event(blocking=True) if on_gpu else None
        self._first: Launch = self.first
        self._more: Launch = self.more

    def capture(self, graphed: Callable[[Launch], Launch]) -> None:
        """Puts both kernel sequences where `graphed` puts them. Only the spare slot is touched."""
        self._hand_in(np.zeros(0, np.int64), np.zeros((0, self._front_end.step_samples), np.float32))
        self._first, self._more = graphed(self.first), graphed(self.more)

    def run(self, slots_B: NDArray[np.int64], samples_BN: NDArray[np.float32]) -> Found:
        """A step of B streams or fewer."""
        self._hand_in(slots_B, samples_BN)
        self._first()
        found = self._fetch()
        while found[0]:
            self._more()
            found = self._fetch()
        rows, batch = len(slots_B), self.batch
        tokens, probabilities = found[1 + batch :].reshape(2, batch, MAX_SYMBOLS)
        return Found(found[1 : 1 + rows], tokens[:rows], probabilities[:rows].view(np.float32))

    def first(self) -> None:
        """The kernels of a step: from the samples to states written back and results laid out."""
        states, spare = self._states.on_device, self._states.spare
        slots_B = self._given_BN[:, -1].view(torch.int32).long()
        x_BSF, history_BH = self._front_end.step(self._given_BN[:, :-1], states.history_SN.index_select(0, slots_B))
        pre, post = states.pre.gather(slots_B), states.post.gather(slots_B)
        f_BJ = self._network.encode(x_BSF, (pre.hidden, pre.cell), (post.hidden, post.cell))
        states.history_SN.index_copy_(0, slots_B, history_BH)
        states.pre.scatter(slots_B, pre)
        states.post.scatter(slots_B, post)
        # The rounds have a spare row too.
        slots_R = torch.nn.functional.pad(slots_B, (0, 1), value=spare)
        self._rounds.begin(f_BJ, slots_B != spare, self._states.prediction.gather(slots_R))
        self.more()

    def more(self) -> None:
        """The kernels of further rounds of the same step, prediction networks written back and results laid out."""
        waiting = self._rounds.go_on(ROUNDS)
        slots_B = self._given_BN[:, -1].view(torch.int32).long()
        self._states.prediction.scatter(slots_B, self._rounds.networks())
        rounds = self._rounds
        parts = (
            waiting.reshape(1).int(),
            rounds.counts_R[:-1].int(),
            rounds.tokens_RM[:-1, :-1].reshape(-1),
            rounds.probabilities_RM[:-1, :-1].reshape(-1).view(torch.int32),
        )
        self._found.copy_(torch.cat(parts))

    def _hand_in(self, slots_B: NDArray[np.int64], samples_BN: NDArray[np.float32]) -> None:
        """Slots and samples to the device; rows that are left over belong to the spare slot."""
        rows, given = len(slots_B), self._host_given_BN.numpy()
        given[:rows, :-1] = samples_BN
        given.view(np.int32)[:rows, -1] = slots_B
        given.view(np.int32)[rows:, -1] = self._states.spare
        self._given_BN.copy_(self._host_given_BN, non_blocking=True)

    def _fetch(self) -> NDArray[np.int32]:
        """The results, once they are there: the one wait."""
        self._host_found.copy_(self._found, non_blocking=True)
        if self._arrived is not None:
            self._arrived.record()
            self._arrived.synchronize()
        found: NDArray[np.int32] = self._host_found.numpy()
        return found
