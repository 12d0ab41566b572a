"""Audio on standard input: a file of any kind that is read to its end, or raw samples that are sent as they come."""

import asyncio
import contextlib
import io
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from gharial_wire.audio import FRAME_SAMPLES, SAMPLE_BYTES, SampleJoiner

from gharial_client.recordings import Pcm, decode_recording
from gharial_client.sources import LiveAudio

STDIN = Path("-")


async def read_file() -> Pcm:
    """All of it, shape (n,), int16 at 16 kHz. Raises ValueError when it is no audio file."""
    loop = asyncio.get_running_loop()
    read: asyncio.Future[bytes] = loop.create_future()
    _beside(lambda: loop.call_soon_threadsafe(_give, read, sys.stdin.buffer.read()))
    return decode_recording(io.BytesIO(await read), "standard input")


def pump(audio: LiveAudio) -> None:
    """Begins to feed S16LE at 16 kHz, mono, without a header, until it ends."""
    stdin = sys.stdin.fileno()

    def feed() -> None:
        joiner = SampleJoiner()
        while data := os.read(stdin, FRAME_SAMPLES * SAMPLE_BYTES):
            audio.feed(np.frombuffer(joiner.push(data), "<i2").astype(np.int16, copy=False))
        audio.end()

    _beside(feed)


def _beside(work: Callable[[], object]) -> None:
    """Reads in a thread that nobody waits for: a pipe that is silent must not hold up the end of the program."""

    def run() -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody listens any more
            work()

    threading.Thread(target=run, name="standard-input", daemon=True).start()


def _give(future: "asyncio.Future[bytes]", data: bytes) -> None:
    if not future.done():
        future.set_result(data)
