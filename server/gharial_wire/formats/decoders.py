"""From the bytes of a stream to 16 kHz mono samples, whatever its format."""

from collections.abc import Iterator

import numpy as np

from gharial_wire.formats.content_type import MODEL_FORMAT, AudioFormat, Coding
from gharial_wire.formats.errors import FormatError
from gharial_wire.formats.feed import Decoder, Feed
from gharial_wire.formats.flac import FlacFramer
from gharial_wire.formats.ogg import OggOpusFramer
from gharial_wire.formats.output import Floats, Output
from gharial_wire.formats.packets import PacketDecoder
from gharial_wire.formats.raw import RawDecoder
from gharial_wire.formats.webm import WebmOpusFramer

OPUS_RATE = 48000
# How much is resampled at once at most.
GATHERED_SAMPLES = OPUS_RATE // 2


def feed_of(audio: AudioFormat) -> Feed | None:
    """The way of a stream's messages through a decoder; None for audio that needs none."""
    return None if audio == MODEL_FORMAT else Feed(build_decoder(audio))


def build_decoder(audio: AudioFormat) -> Decoder:
    """The decoder of a format. Raises FormatError when the audio has no such channel."""
    if audio.coding is Coding.OGG_OPUS:
        return OpusDecoder(OggOpusFramer(), audio.channel)
    if audio.coding is Coding.WEBM_OPUS:
        return OpusDecoder(WebmOpusFramer(), audio.channel)
    if audio.coding is Coding.FLAC:
        return FlacDecoder(audio.channel)
    return RawDecoder(audio)


class OpusDecoder:
    """Opus in a container."""

    def __init__(self, framer: OggOpusFramer | WebmOpusFramer, channel: int | None) -> None:
        self._framer = framer
        self._channel = channel
        self._packets: PacketDecoder | None = None
        self._output: Output | None = None
        self._gathered: list[Floats] = []

    def feed(self, message: bytes) -> Iterator[bytes]:
        for packet in self._framer.push(message):
            if packet.startswith(b"OpusHead"):
                yield from self.flush()
                self._output = None
                self._packets = PacketDecoder("opus", packet)
            elif self._packets is None:
                raise FormatError("the Opus stream has no header")
            elif packet and (x_NC := self._packets.decode(packet)) is not None:
                self._gathered.append(x_NC)
                if sum(map(len, self._gathered)) >= GATHERED_SAMPLES:
                    yield self._converted()
        yield self._converted()

    def flush(self) -> Iterator[bytes]:
        yield self._converted()
        if self._output is not None:
            yield self._output.flush()

    def _converted(self) -> bytes:
        """The packets of a message together: resampling each by itself costs as much as decoding it."""
        if not self._gathered:
            return b""
        x_NC = self._gathered[0] if len(self._gathered) == 1 else np.concatenate(self._gathered)
        self._gathered.clear()
        self._output = self._output or Output(OPUS_RATE, x_NC.shape[1], self._channel)
        return self._output.convert(x_NC)


class FlacDecoder:
    """FLAC without a container."""

    def __init__(self, channel: int | None) -> None:
        self._framer = FlacFramer()
        self._channel = channel
        self._output: Output | None = None

    def feed(self, message: bytes) -> Iterator[bytes]:
        for x_NC in self._framer.push(message):
            self._output = self._output or Output(self._framer.rate, x_NC.shape[1], self._channel)
            yield self._output.convert(x_NC)

    def flush(self) -> Iterator[bytes]:
        if self._output is not None:
            yield self._output.flush()
