"""Audio on standard input: a file of any kind that is read to its end, or raw samples that are sent as they come."""

import asyncio
import io
import os
import sys
from pathlib import Path

import numpy as np
from gharial_wire.audio import FRAME_SAMPLES, SAMPLE_BYTES, SampleJoiner

from gharial_client.recordings import Pcm, decode_recording
from gharial_client.sources import LiveAudio

STDIN = Path("-")


async def read_file() -> Pcm:
    """All of it, shape (n,), int16 at 16 kHz. Raises ValueError when it is no audio file."""
    data = await asyncio.to_thread(sys.stdin.buffer.read)
    return decode_recording(io.BytesIO(data), "standard input")


async def pump(audio: LiveAudio) -> None:
    """Feeds S16LE at 16 kHz, mono, without a header, until it ends."""
    joiner = SampleJoiner()
    stdin = sys.stdin.fileno()
    while data := await asyncio.to_thread(os.read, stdin, FRAME_SAMPLES * SAMPLE_BYTES):
        audio.feed(np.frombuffer(joiner.push(data), "<i2").astype(np.int16, copy=False))
    audio.end()
