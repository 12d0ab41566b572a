"""One stream's samples on their way into batches: chunks of any length in, whole frames out."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

# What a sample of int16 is divided by.
INT16_RANGE = 32768.0

Frame = NDArray[np.float32]


class FrameBuffer:
    """Cuts samples into frames and remembers when each became complete. The engine's lock guards it."""

    def __init__(self, frame_samples: int) -> None:
        self._frame_samples = frame_samples
        self._ready: deque[tuple[Frame, float]] = deque()
        self._partial = np.zeros(frame_samples, np.float32)
        self._filled = 0

    @property
    def waiting_samples(self) -> int:
        """Samples that have come in and not yet left."""
        return len(self._ready) * self._frame_samples + self._filled

    @property
    def ready(self) -> bool:
        """Whether a whole frame waits."""
        return bool(self._ready)

    def push(self, samples: NDArray[np.float32] | NDArray[np.int16], now: float) -> None:
        """Appends samples (n,), int16 or float32 in [-1, 1]."""
        position = 0
        while position < len(samples):
            taken = min(self._frame_samples - self._filled, len(samples) - position)
            self._partial[self._filled : self._filled + taken] = samples[position : position + taken]
            if samples.dtype == np.int16:
                self._partial[self._filled : self._filled + taken] /= INT16_RANGE
            self._filled += taken
            position += taken
            if self._filled == self._frame_samples:
                self._complete(now)

    def finish(self, now: float) -> None:
        """Pads what is left over with zeros to a last whole frame; there is none when nothing is left over."""
        if self._filled:
            self._complete(now)

    def take(self) -> tuple[Frame, float]:
        """The oldest whole frame and the time at which it became complete."""
        return self._ready.popleft()

    def _complete(self, now: float) -> None:
        self._ready.append((self._partial, now))
        self._partial = np.zeros(self._frame_samples, np.float32)
        self._filled = 0
