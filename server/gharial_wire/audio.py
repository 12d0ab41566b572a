"""Audio as it travels: signed 16-bit little-endian samples, 16 kHz, one channel, in messages of any length."""

SAMPLE_RATE = 16000
CHANNELS = 1
SAMPLE_BYTES = 2
FRAME_SAMPLES = 960
FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE


class SampleJoiner:
    """Turns messages cut anywhere into whole samples: half a sample waits for its other half."""

    def __init__(self) -> None:
        self._half = b""

    def push(self, message: bytes) -> bytes:
        """Takes one message of any length and returns the whole samples that are now complete (possibly none)."""
        joined = self._half + message if self._half else message
        if len(joined) % SAMPLE_BYTES == 0:
            self._half = b""
            return joined
        self._half = joined[-1:]
        return joined[:-1]
