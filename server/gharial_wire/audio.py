"""Audio as the model takes it: signed 16-bit little-endian samples, 16 kHz, one channel.

`formats` makes it of other audio.
"""

SAMPLE_RATE = 16000
CHANNELS = 1
SAMPLE_BYTES = 2
FRAME_SAMPLES = 960
FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE


class SampleJoiner:
    """Turns messages cut anywhere into whole samples: half a sample waits for its other half."""

    def __init__(self, sample_bytes: int = SAMPLE_BYTES) -> None:
        """sample_bytes: of one sample of all channels."""
        self._sample_bytes = sample_bytes
        self._half = b""

    def push(self, message: bytes) -> bytes:
        """Takes one message of any length and returns the whole samples that are now complete (possibly none)."""
        joined = self._half + message if self._half else message
        over = len(joined) % self._sample_bytes
        if over == 0:
            self._half = b""
            return joined
        self._half = joined[-over:]
        return joined[:-over]
