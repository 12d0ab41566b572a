"""The last step of every decoder: one channel, 16 kHz, signed 16-bit samples."""

import numpy as np
from numpy.typing import NDArray

from gharial_wire.audio import SAMPLE_RATE
from gharial_wire.formats.errors import FormatError
from gharial_wire.formats.resampler import Resampler

Floats = NDArray[np.float32]
# An int16 sample is a float of [-1, 1) times this.
FULL_SCALE = 32768.0


class Output:
    """Chooses or mixes channels, resamples, rounds. The result does not depend on where the input was cut."""

    def __init__(self, rate: int, channels: int, channel: int | None) -> None:
        """channel: counted from 1; None mixes. Raises FormatError when the audio has no such channel."""
        if channel is not None and channel > channels:
            raise FormatError(f"channel {channel} was asked for, but the audio has {channels}")
        self._weights_C = np.full(channels, 1 / channels, np.float32)
        self._column = None if channel is None else channel - 1
        self._resampler = None if rate == SAMPLE_RATE else Resampler(rate)

    def convert(self, x_NC: Floats) -> bytes:
        """S16LE of samples (n, channels), float32 in [-1, 1]; with a resampler a few milliseconds stay inside."""
        if self._column is not None:
            x_N = x_NC[:, self._column]
        else:
            x_N = x_NC[:, 0] if x_NC.shape[1] == 1 else x_NC @ self._weights_C
        if self._resampler is not None:
            x_N = self._resampler.push(x_N)
        return _s16le(x_N)

    def flush(self) -> bytes:
        """What the resampler still holds."""
        return b"" if self._resampler is None else _s16le(self._resampler.flush())


def _s16le(x_N: Floats) -> bytes:
    x_N = np.clip(np.rint(x_N * np.float32(FULL_SCALE)), -FULL_SCALE, FULL_SCALE - 1)
    data: bytes = x_N.astype("<i2").tobytes()
    return data
