"""Packets of a codec to samples, by FFmpeg's decoders (PyAV)."""

import av
import numpy as np

from gharial_wire.formats.errors import FormatError
from gharial_wire.formats.output import Floats

_SCALES = {"s16": 1 / 2**15, "s16p": 1 / 2**15, "s32": 1 / 2**31, "s32p": 1 / 2**31}


class PacketDecoder:
    """One codec with its state."""

    def __init__(self, codec: str, header: bytes) -> None:
        """codec: FFmpeg's name; header: OpusHead, or STREAMINFO. Raises FormatError when it makes no sense."""
        self._name = codec
        try:
            context = av.CodecContext.create(codec, "r")
            assert isinstance(context, av.AudioCodecContext)
            self._context = context
            self._context.extradata = header
            self._context.thread_count = 1
            self._context.open()
        except (av.FFmpegError, ValueError) as error:
            raise FormatError(f"the {codec} header is damaged") from error

    def decode(self, packet: bytes) -> Floats | None:
        """Samples (n, channels) of one packet, or None when it gives none yet. Raises FormatError."""
        try:
            frames = self._context.decode(av.Packet(packet))
        except (av.FFmpegError, ValueError) as error:
            raise FormatError(f"the {self._name} audio is damaged") from error
        chunks = [samples_of(frame) for frame in frames]
        return None if not chunks else chunks[0] if len(chunks) == 1 else np.concatenate(chunks)


def samples_of(frame: av.AudioFrame) -> Floats:
    """(n, channels) as float32 in [-1, 1]; to_ndarray gives (channels, n) for planes, (1, n * channels) otherwise."""
    values = frame.to_ndarray()
    x_NC = values.T if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels)
    scale = _SCALES.get(frame.format.name)
    x_NC = x_NC.astype(np.float32, copy=False)
    return x_NC if scale is None else x_NC * np.float32(scale)
