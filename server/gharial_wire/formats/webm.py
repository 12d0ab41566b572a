"""WebM (Matroska, RFC 9559) to Opus packets, pushed in pieces cut anywhere, as browsers' MediaRecorder makes it.

Only what leads to audio is read. Segment and Cluster of a live recording have no known size; since what is inside them
can be told by its ID, they are simply entered.
"""

from collections.abc import Iterator

from gharial_wire.formats.errors import FormatError

EBML = 0x1A45DFA3
CLUSTER = 0x1F43B675
TRACK_ENTRY = 0xAE
TRACK_NUMBER = 0xD7
CODEC_ID = 0x86
CODEC_PRIVATE = 0x63A2
SIMPLE_BLOCK = 0xA3
BLOCK = 0xA1
_ENTERED = frozenset({0x18538067, CLUSTER, 0x1654AE6B, TRACK_ENTRY, 0xA0})  # with Segment, Tracks, BlockGroup
_READ = frozenset({TRACK_NUMBER, CODEC_ID, CODEC_PRIVATE, SIMPLE_BLOCK, BLOCK})
_LACING = 0x06
MAX_ELEMENT_BYTES = 1 << 20


class WebmOpusFramer:
    """Cuts the first Opus track out of the bytes; other tracks are passed over."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._skip = 0
        self._begun = False
        self._entry: dict[int, bytes] = {}
        self._track: int | None = None

    def push(self, data: bytes) -> Iterator[bytes]:
        """Complete packets: OpusHead first, then audio. Raises FormatError."""
        self._bytes += data
        while (element := self._element()) is not None:
            kind, body = element
            if kind in (TRACK_ENTRY, CLUSTER):
                yield from self._end_entry()
                if kind == CLUSTER and self._track is None:
                    raise FormatError("the WebM stream has no Opus in it")
            elif kind in (SIMPLE_BLOCK, BLOCK):
                yield from self._block(body)
            else:
                self._entry[kind] = body

    def _element(self) -> tuple[int, bytes] | None:
        """The next element of interest, with its body unless it is entered. None when more bytes are needed."""
        while True:
            skipped = min(self._skip, len(self._bytes))
            del self._bytes[:skipped]
            self._skip -= skipped
            head = self._head()
            if head is None:
                return None
            kind, size, length = head
            if not self._begun and kind != EBML:
                raise FormatError("the audio is no WebM stream")
            self._begun = True
            if kind in _ENTERED:
                del self._bytes[:length]
                return kind, b""
            if size is None or (kind in _READ and size > MAX_ELEMENT_BYTES):
                raise FormatError("the WebM stream is damaged")
            if kind not in _READ:
                self._skip = length + size
                continue
            if len(self._bytes) < length + size:
                return None
            body = bytes(self._bytes[length : length + size])
            del self._bytes[: length + size]
            return kind, body

    def _head(self) -> tuple[int, int | None, int] | None:
        """ID, size (None: unknown) and length of the head of the element at hand."""
        id_length = _vint_length(self._bytes, 0, 4)
        if id_length is None:
            return None
        size_length = _vint_length(self._bytes, id_length, 8)
        if size_length is None:
            return None
        length = id_length + size_length
        value = int.from_bytes(self._bytes[id_length:length], "big") & ((1 << 7 * size_length) - 1)
        unknown = value == (1 << 7 * size_length) - 1
        return int.from_bytes(self._bytes[:id_length], "big"), None if unknown else value, length

    def _end_entry(self) -> Iterator[bytes]:
        entry, self._entry = self._entry, {}
        if self._track is None and entry.get(CODEC_ID, b"").rstrip(b"\0") == b"A_OPUS":
            self._track = int.from_bytes(entry.get(TRACK_NUMBER, b""), "big")
            yield entry.get(CODEC_PRIVATE, b"")

    def _block(self, body: bytes) -> Iterator[bytes]:
        """Track number, 16 bits of time, flags, audio."""
        length = _vint_length(body, 0, 8)
        if length is None or len(body) < length + 3:
            raise FormatError("the WebM stream is damaged")
        if int.from_bytes(body[:length], "big") & ((1 << 7 * length) - 1) != self._track:
            return
        if body[length + 2] & _LACING:
            raise FormatError("the WebM stream has laced blocks, which are not supported; send Ogg")
        yield body[length + 3 :]


def _vint_length(data: bytes | bytearray, at: int, most: int) -> int | None:
    """Bytes of the variable-length number that begins here; None when they are not all there."""
    if at >= len(data):
        return None
    length = 9 - data[at].bit_length()
    if length > most:
        raise FormatError("the WebM stream is damaged")
    return length if at + length <= len(data) else None
