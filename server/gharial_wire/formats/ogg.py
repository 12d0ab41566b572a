"""Ogg pages (RFC 3533) to Opus packets (RFC 7845), pushed in pieces cut anywhere."""

import struct
from collections.abc import Iterator

from gharial_wire.formats.errors import FormatError

_HEADER = struct.Struct("<4sBBqIIIB")
_BEGINNING = 0x02
# OpusTags may carry a picture; audio packets have at most some kilobytes.
MAX_PACKET_BYTES = 1 << 20


class OggOpusFramer:
    """Cuts the first Opus stream out of the bytes; other streams beside it are passed over.

    A new beginning (as radio stations send at each title) starts a new decoder.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._serial: int | None = None
        self._packet = bytearray()
        self._packets = 0

    def push(self, data: bytes) -> Iterator[bytes]:
        """Complete packets: OpusHead first, then audio. Raises FormatError."""
        self._bytes += data
        while (page := self._page()) is not None:
            flags, serial, lacing, body = page
            if flags & _BEGINNING and body.startswith(b"OpusHead"):
                self._serial, self._packets = serial, 0
                self._packet.clear()
            if serial == self._serial:
                yield from self._cut(lacing, body)
            elif self._serial is None and not flags & _BEGINNING:
                raise FormatError("the Ogg stream has no Opus in it")

    def _page(self) -> tuple[int, int, bytes, bytes] | None:
        """Flags, serial number, lacing values and body of the next page that is complete."""
        if not b"OggS".startswith(self._bytes[:4]):
            raise FormatError("the audio is no Ogg stream")
        if len(self._bytes) < _HEADER.size:
            return None
        _, version, flags, _, serial, _, _, segments = _HEADER.unpack_from(self._bytes)
        if version != 0:
            raise FormatError(f"the Ogg stream has version {version}; only 0 exists")
        begin = _HEADER.size + segments
        lacing = bytes(self._bytes[_HEADER.size : begin])
        end = begin + sum(lacing)
        if len(lacing) < segments or len(self._bytes) < end:
            return None
        body = bytes(self._bytes[begin:end])
        del self._bytes[:end]
        return flags, serial, lacing, body

    def _cut(self, lacing: bytes, body: bytes) -> Iterator[bytes]:
        at = 0
        for length in lacing:
            self._packet += body[at : at + length]
            at += length
            if len(self._packet) > MAX_PACKET_BYTES:
                raise FormatError("an Ogg packet is larger than 1 MiB")
            if length < 255:
                packet, self._packet = bytes(self._packet), bytearray()
                self._packets += 1
                if self._packets != 2:  # the second one is OpusTags
                    yield packet
