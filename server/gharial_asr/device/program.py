"""Steps of a batch of fixed size as the host sees them: a copy in, a launch, a copy out, a wait.

Shapes: B rows of the batch, N samples of a step, M = MAX_SYMBOLS.

The host, which reads the results anyway, sees in them whether any row is not done; then it launches more rounds and
waits again, which is seldom: docs/decisions/0140-gpu-runner.md.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gharial_asr.decoding.greedy import MAX_SYMBOLS
from gharial_asr.device.step import Step

Launch = Callable[[], None]


@dataclass(frozen=True)
class Found:
    """What a step found: counts (B,) int32, tokens (B, M) int32 and probabilities (B, M) float32, the first count of
    each row valid. Good until the next step."""

    counts: NDArray[np.int32]
    tokens: NDArray[np.int32]
    probabilities: NDArray[np.float32]


class Program:
    """Steps of up to B streams."""

    def __init__(self, step: Step, spare: int) -> None:
        """spare: the slot of rows that only fill up the batch."""
        self._step, self._spare = step, spare
        self.batch = len(step.given_BN)
        on_gpu = step.given_BN.is_cuda
        # Pinned, so that copies need no help of the processor and do not hold it up.
        self._given_BN = torch.zeros_like(step.given_BN, device="cpu", pin_memory=on_gpu)
        self._found = torch.zeros_like(step.found, device="cpu", pin_memory=on_gpu)
        self._arrived: torch.cuda.Event | None = None
        if on_gpu:
            # The thread sleeps in the wait, and leaves its core to the sockets.
            self._arrived = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        self._first: Launch = step.first
        self._more: Launch = step.more

    def capture(self, graphed: Callable[[Launch], Launch]) -> None:
        """Puts both kernel sequences where `graphed` puts them. Only the spare slot is touched."""
        samples = self._given_BN.shape[1] - 1
        self._hand_in(np.zeros(0, np.int64), np.zeros((0, samples), np.float32))
        self._first, self._more = graphed(self._step.first), graphed(self._step.more)

    def run(self, slots_B: NDArray[np.int64], samples_BN: NDArray[np.float32]) -> Found:
        """A step of B streams or fewer."""
        self._hand_in(slots_B, samples_BN)
        self._first()
        found = self._fetch()
        while found[0]:
            self._more()
            found = self._fetch()
        rows = len(slots_B)
        tokens_BM, bits_BM = found[1 + self.batch :].reshape(2, self.batch, MAX_SYMBOLS)
        return Found(found[1 : 1 + rows], tokens_BM[:rows], bits_BM[:rows].view(np.float32))

    def _hand_in(self, slots_B: NDArray[np.int64], samples_BN: NDArray[np.float32]) -> None:
        """Slots and samples to the device; rows that are left over belong to the spare slot."""
        rows, given_BN = len(slots_B), self._given_BN.numpy()
        given_BN[:rows, :-1] = samples_BN
        given_BN.view(np.int32)[:rows, -1] = slots_B
        given_BN.view(np.int32)[rows:, -1] = self._spare
        self._step.given_BN.copy_(self._given_BN, non_blocking=True)

    def _fetch(self) -> NDArray[np.int32]:
        """The results, once they are there: the one wait."""
        self._found.copy_(self._step.found, non_blocking=True)
        if self._arrived is not None:
            self._arrived.record()
            self._arrived.synchronize()
        found: NDArray[np.int32] = self._found.numpy()
        return found
