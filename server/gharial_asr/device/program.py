"""Steps of a batch of fixed size as the host sees them: a copy in, a launch, a copy out, a wait.

Shapes: B rows of the batch, N samples of a step.

The host, which reads the results anyway, sees in them whether any row is not done; then it launches more rounds and
waits again, which is seldom: docs/decisions/0140-gpu-runner.md.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gharial_asr.device.step import WORDS, Step

Launch = Callable[[], None]


class Program:
    """Steps of up to B streams."""

    def __init__(self, step: Step, spare: int) -> None:
        """spare: the slot of rows that only fill up the batch."""
        self._step, self._spare = step, spare
        on_gpu = step.given_BN.is_cuda
        # Pinned, so that copies need no help of the processor and do not hold it up.
        self._given_BN = torch.zeros_like(step.given_BN, device="cpu", pin_memory=on_gpu)
        self._found = torch.zeros_like(step.found, device="cpu", pin_memory=on_gpu)
        self._arrived: torch.cuda.Event | None = None
        if on_gpu:
            # The thread sleeps in the wait, and leaves its core to the sockets.
            self._arrived = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        # Without keywords, and with.
        self._first: list[Launch] = [partial(step.first, boosted) for boosted in (False, True)]
        self._more: list[Launch] = [partial(step.more, boosted) for boosted in (False, True)]

    def capture(self, graphed: Callable[[Launch], Launch]) -> None:
        """Puts all kernel sequences where `graphed` puts them. Only the spare slot is touched."""
        none = np.zeros(0, np.int64)
        self._hand_in(none, none.astype(np.int32), np.zeros((0, self._given_BN.shape[1] - WORDS), np.float32))
        self._first, self._more = ([graphed(each) for each in work] for work in (self._first, self._more))

    def run(
        self, slots_B: NDArray[np.int64], told_B: NDArray[np.int32], samples_BN: NDArray[np.float32], boosted: bool
    ) -> NDArray[Any]:
        """A step of B streams or fewer; boosted: whether any slot has keywords. Returns what the kernels found, good
        until the next step."""
        self._hand_in(slots_B, told_B, samples_BN)
        self._first[boosted]()
        found = self._fetch()
        while found[0]:
            self._more[boosted]()
            found = self._fetch()
        return found

    def _hand_in(self, slots_B: NDArray[np.int64], told_B: NDArray[np.int32], samples_BN: NDArray[np.float32]) -> None:
        """What the device is to know; rows that are left over belong to the spare slot."""
        rows, given_BN = len(slots_B), self._given_BN.numpy()
        given_BN[:rows, :-WORDS] = samples_BN
        words_B2 = given_BN.view(np.int32)[:, -WORDS:]
        words_B2[:rows, 0], words_B2[:rows, 1] = slots_B, told_B
        words_B2[rows:] = self._spare, 0
        self._step.given_BN.copy_(self._given_BN, non_blocking=True)

    def _fetch(self) -> NDArray[Any]:
        """The results, once they are there: the one wait."""
        self._found.copy_(self._step.found, non_blocking=True)
        if self._arrived is not None:
            self._arrived.record()
            self._arrived.synchronize()
        return self._found.numpy()
