"""A recording's samples, from a process of its own that decodes only as fast as they are taken."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import IO

from gharial_wire.audio import SAMPLE_BYTES, SAMPLE_RATE
from gharial_wire.formats.recording import DAMAGED, TOO_LONG

from gharial_server.web.transcriptions.errors import ApiError

CHUNK_SECONDS = 0.24
_CHUNK_BYTES = int(CHUNK_SECONDS * SAMPLE_RATE) * SAMPLE_BYTES


@asynccontextmanager
async def samples_of(file: IO[bytes], most_seconds: float) -> AsyncIterator[AsyncIterator[bytes]]:
    """S16LE samples (16 kHz, mono) in chunks; leaving ends the process. Taking them raises ApiError."""
    file.seek(0)
    # Nothing of the server's environment is its business.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gharial_wire.formats.recording", str(most_seconds),
        stdin=file.fileno(), stdout=PIPE, stderr=PIPE, env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )  # fmt: skip
    try:
        async with aclosing(_chunks(process, most_seconds)) as chunks:
            yield chunks
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _chunks(process: Process, most_seconds: float) -> AsyncGenerator[bytes]:
    assert process.stdout is not None
    assert process.stderr is not None
    left = int(most_seconds * SAMPLE_RATE) * SAMPLE_BYTES
    while left >= 0:
        try:
            chunk = await process.stdout.readexactly(_CHUNK_BYTES)
        except asyncio.IncompleteReadError as rest:
            chunk = rest.partial
        left -= len(chunk)
        if chunk:
            yield chunk
        if len(chunk) < _CHUNK_BYTES:
            break
    said = (await process.stderr.read(2000)).decode(errors="replace").strip()
    status = TOO_LONG if left < 0 else await process.wait()
    if status == TOO_LONG:
        message = f"the recording is longer than {most_seconds:.0f} s; cut it"
        raise ApiError(413, "recording_too_long", message, "file")
    if status == DAMAGED:
        raise ApiError(400, "invalid_audio", said, "file")
    if status != 0:
        raise ApiError(400, "invalid_audio", "the file cannot be decoded; convert it to FLAC or WAV", "file")
