"""Raw audio of any supported format, rate and number of channels."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from gharial_wire.audio import SampleJoiner
from gharial_wire.formats.content_type import AudioFormat, Coding
from gharial_wire.formats.output import FULL_SCALE, Floats, Output


class RawDecoder:
    """Implements `decoders.Decoder` for samples without any container."""

    def __init__(self, audio: AudioFormat) -> None:
        """Raises FormatError when the audio has no such channel."""
        width, self._read = _READERS[audio.coding]
        self._joiner = SampleJoiner(width * audio.channels)
        self._slice_bytes = width * audio.channels * audio.rate
        self._channels = audio.channels
        self._output = Output(audio.rate, audio.channels, audio.channel)

    def feed(self, message: bytes) -> Iterator[bytes]:
        whole = self._joiner.push(message)
        for at in range(0, len(whole), self._slice_bytes):
            samples = self._read(whole[at : at + self._slice_bytes])
            yield self._output.convert(samples.reshape(-1, self._channels))

    def flush(self) -> Iterator[bytes]:
        yield self._output.flush()


def _s16le(data: bytes) -> Floats:
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(FULL_SCALE)


def _f32le(data: bytes) -> Floats:
    """What is no number counts as silence, what is beyond full scale as full scale."""
    samples = np.frombuffer(data, "<f4").astype(np.float32).clip(-1.0, 1.0)
    samples[np.isnan(samples)] = 0.0
    return samples


def _mulaw_values() -> NDArray[np.float32]:
    """ITU-T G.711, table 2a/2b: 256 values of mu-law as floats."""
    code = ~np.arange(256, dtype=np.uint8)
    magnitude = (((code & 15).astype(np.int32) << 3) + 132 << ((code >> 4) & 7).astype(np.int32)) - 132
    return (np.where(code & 128, -magnitude, magnitude) / FULL_SCALE).astype(np.float32)


def _alaw_values() -> NDArray[np.float32]:
    """ITU-T G.711, table 1a/1b: 256 values of A-law as floats."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    segment = ((code >> 4) & 7).astype(np.int32)
    step = ((code & 15).astype(np.int32) << 4) + 8
    magnitude = np.where(segment > 0, step + 256 << np.maximum(segment - 1, 0), step)
    return (np.where(code & 128, magnitude, -magnitude) / FULL_SCALE).astype(np.float32)


def _table(values: NDArray[np.float32]) -> Callable[[bytes], Floats]:
    return lambda data: values[np.frombuffer(data, np.uint8)]


# Bytes of a sample, and how samples are read.
_READERS: dict[Coding, tuple[int, Callable[[bytes], Floats]]] = {
    Coding.S16LE: (2, _s16le),
    Coding.F32LE: (4, _f32le),
    Coding.MULAW: (1, _table(_mulaw_values())),
    Coding.ALAW: (1, _table(_alaw_values())),
}
