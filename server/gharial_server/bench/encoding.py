"""Recordings written by FFmpeg in the formats that clients send."""

import io

import av
import numpy as np
from numpy.typing import NDArray


def speechlike(seconds: float, rate: int) -> NDArray[np.float32]:
    """A tone that comes and goes, samples (n,)."""
    t = np.arange(int(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * 440 * t) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))).astype(np.float32)


def encode(
    x_CN: NDArray[np.float32], rate: int, container: str, codec: str, page_us: int = 20_000, seekable: bool = False
) -> bytes:
    """The bytes of a file: samples (channels, n) at a rate, by FFmpeg's names of container and codec."""
    layout = "mono" if len(x_CN) == 1 else "stereo"
    into = io.BytesIO()
    if not seekable:  # like a live encoder, that writes its file from front to back
        into.seekable = lambda: False  # type: ignore[method-assign]
    options = {"page_duration": str(page_us)} if container == "ogg" else {}
    with av.open(into, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        context = stream.codec_context
        context.open()
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(x_CN), format="fltp", layout=layout)
        frame.sample_rate = rate
        fit = av.AudioResampler(context.format, layout, rate, frame_size=context.frame_size or None)
        for piece in [*fit.resample(frame), *fit.resample(None), None]:
            for packet in stream.encode(piece):
                output.mux(packet)
    return into.getvalue()
