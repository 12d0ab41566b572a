"""FLAC (RFC 9639) cut into frames, pushed in pieces cut anywhere.

A frame does not say how long it is. Common parsers wait for several headers more, which delays the audio by seconds.
But a frame ends with a checksum over itself: where the checksum of everything so far is zero and either the next frame
begins or the message ends, the frame is complete. Clients that send whole frames lose no time at all.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gharial_wire.formats.errors import FormatError
from gharial_wire.formats.output import Floats
from gharial_wire.formats.packets import PacketDecoder

_STREAMINFO_BYTES = 34
# A frame has at most 65535 samples of 8 channels and 32 bits; streams have far smaller ones.
MAX_FRAME_BYTES = 1 << 20
MAX_METADATA_BYTES = 16 << 20
_SMALLEST_FRAME = 10
# Chance makes one place in 32768 look like a frame's beginning; a frame made to have more is made to cost time.
MAX_CANDIDATES = 256
_POLYNOMIAL = 0x8005
_BLOCK = 256


class FlacFramer:
    """Finds STREAMINFO, then frames; decodes each, since only that tells a frame from a chance of the checksum."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._skip = 0
        self._skipped = 0
        self._decoder: PacketDecoder | None = None
        self._is_last = False
        self._in_frames = False
        self._checked = 0
        self._candidates = 0
        self._crc = 0

    def push(self, data: bytes) -> Iterator[Floats]:
        """Samples (n, channels) of each frame that is complete. Raises FormatError."""
        self._bytes += data
        if not (self._in_frames or self._read_metadata()):
            return
        while (samples := self._frame()) is not None:
            yield samples

    @property
    def rate(self) -> int:
        """Samples per second; known once there are frames."""
        return int.from_bytes(self._info[10:13], "big") >> 4

    def _read_metadata(self) -> bool:
        """Whether all metadata blocks are behind us. Blocks other than STREAMINFO are passed over."""
        if self._decoder is None:
            if not b"fLaC\0".startswith(self._bytes[:5]):
                raise FormatError("the audio is no FLAC stream")
            if len(self._bytes) < 8 + _STREAMINFO_BYTES:
                return False
            self._info = bytes(self._bytes[8 : 8 + _STREAMINFO_BYTES])
            if self.rate == 0:
                raise FormatError("the FLAC stream does not say its rate")
            self._decoder = PacketDecoder("flac", self._info)
            self._is_last = self._bytes[4] & 0x80 > 0
            self._skip = 8 + _STREAMINFO_BYTES
        while True:
            skipped = min(self._skip, len(self._bytes))
            del self._bytes[:skipped]
            self._skip -= skipped
            self._in_frames = self._is_last and not self._skip
            if self._in_frames or self._skip or len(self._bytes) < 4:
                return self._in_frames
            self._is_last = self._bytes[0] & 0x80 > 0
            self._skip = 4 + int.from_bytes(self._bytes[1:4], "big")
            self._skipped += self._skip
            if self._skipped > MAX_METADATA_BYTES:
                raise FormatError("the FLAC stream has more than 16 MiB before its audio")

    def _frame(self) -> Floats | None:
        """The next frame, if it is complete."""
        data = self._bytes
        if data and not _is_sync(data, 0):
            raise FormatError("the FLAC audio is damaged")
        while self._checked < len(data):
            end = self._candidate(max(self._checked + 1, _SMALLEST_FRAME))
            self._crc = crc16(bytes(data[self._checked : end]), self._crc)
            self._checked = end
            if self._crc == 0 and end >= _SMALLEST_FRAME and (samples := self._try(bytes(data[:end]))) is not None:
                del data[:end]
                self._checked = self._crc = self._candidates = 0
                return samples
            self._candidates += end < len(data)
            if self._candidates > MAX_CANDIDATES:
                break
        if len(data) > MAX_FRAME_BYTES or self._candidates > MAX_CANDIDATES:
            raise FormatError("the FLAC audio is damaged")
        return None

    def _candidate(self, at: int) -> int:
        """Where the next frame may begin, from here on; the end of the data when nowhere."""
        while (at := self._bytes.find(0xFF, at)) >= 0:
            if _is_sync(self._bytes, at):
                return at
            at += 1
        return len(self._bytes)

    def _try(self, frame: bytes) -> Floats | None:
        assert self._decoder is not None
        try:
            return self._decoder.decode(frame)
        except FormatError:
            return None


def _is_sync(data: bytearray, at: int) -> bool:
    """Whether a frame may begin here, as far as can be seen."""
    return data[at] == 0xFF and (at + 1 == len(data) or data[at + 1] & 0xFE == 0xF8)


def _byte_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ _POLYNOMIAL if crc & 0x8000 else crc << 1) & 0xFFFF
        table.append(crc)
    return table


def _tables() -> NDArray[np.uint16]:
    """(256, 256): row j holds what each byte contributes when j bytes follow it."""
    first = np.array(_byte_table(), np.uint16)
    rows = [first]
    for _ in range(_BLOCK - 1):
        rows.append((rows[-1] << 8) ^ first[rows[-1] >> 8])
    return np.stack(rows)


_TABLES = _tables()


def crc16(data: bytes, crc: int = 0) -> int:
    """CRC-16 of polynomial 0x8005, not reflected, as FLAC's frames end with; crc: that of the bytes before.

    The checksum is linear, so a block's is the exclusive or of what its bytes contribute by their places.
    """
    for at in range(0, len(data), _BLOCK):
        block = np.frombuffer(data, np.uint8, min(_BLOCK, len(data) - at), at)
        parts = _TABLES[np.arange(len(block) - 1, -1, -1), block]
        begun = _advance(crc, len(block))
        crc = int(np.bitwise_xor.reduce(parts)) ^ begun
    return crc


def _advance(crc: int, count: int) -> int:
    """A checksum after so many zero bytes more, at most a block."""
    if count == 1:
        return (crc << 8 & 0xFFFF) ^ int(_TABLES[0, crc >> 8])
    return int(_TABLES[count - 1, crc >> 8]) ^ int(_TABLES[count - 2, crc & 0xFF])
