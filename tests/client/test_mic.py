"""`gharial client mic` through PortAudio and ALSA; only the sound card is missing: its samples come from a pipe."""

import asyncio
import contextlib
import ctypes.util
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from gharial_cluster.preflight import install_packages
from gharial_cluster.progress import Progress

FRAME_BYTES = 1920
SOUND = """
pcm.spoken {{ type file  slave.pcm {{ type null }}  file /dev/null  infile "{pipe}"  format raw }}
pcm.!default {{ type plug  slave.pcm spoken }}
"""


@pytest.fixture(scope="module", autouse=True)
def portaudio() -> None:
    if ctypes.util.find_library("portaudio") is None:
        install_packages(["libportaudio2"], Progress())


@contextlib.asynccontextmanager
async def sound_card(tmp_path: Path) -> AsyncIterator[bytearray]:
    """A microphone at the pace of speech: what is put into `said` is heard, and silence before and after it."""
    pipe = tmp_path / "card"
    os.mkfifo(pipe)
    (tmp_path / ".asoundrc").write_text(SOUND.format(pipe=pipe))
    end = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    said = bytearray()

    async def play() -> None:
        while True:
            frame = bytes(said[:FRAME_BYTES])
            del said[:FRAME_BYTES]
            try:
                os.write(end, frame.ljust(FRAME_BYTES, b"\0"))
            except BlockingIOError:
                said[:0] = frame  # nobody listens yet
            await asyncio.sleep(0.06)

    playing = asyncio.create_task(play())
    try:
        yield said
    finally:
        playing.cancel()
        os.close(end)


async def start(home: Path, *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gharial_cli", "client", "mic", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=os.environ | {"HOME": str(home)},
    )  # fmt: skip


async def test_what_is_said_is_heard_until_ctrl_c_and_no_word_is_lost(harness, tmp_path: Path) -> None:
    async with harness.serve() as server, sound_card(tmp_path) as card:
        child = await start(tmp_path, "--json", "--url", harness.url(server))
        assert child.stderr is not None
        assert b"listening to default" in await asyncio.wait_for(child.stderr.readline(), 30)
        await harness.until(lambda: server.service.engine.active == 1)
        card.extend(harness.spoken([3, 0, 0, 4]).astype("<i2").tobytes())
        engine = server.service.engine
        (stream,) = engine.streams.values()
        before = stream._frame
        await harness.until(lambda: not card and stream._frame > before + 60, 30)
        child.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(child.communicate(), 30)
    assert child.returncode == 0, err
    said = [int(number) for number in json.loads(out)["transcript"].split()]
    # The pipe's frames and the microphone's need not begin together: a number may be heard in two of them.
    assert list(dict.fromkeys(said)) == [3, 4]


async def test_the_devices_are_listed_and_an_unknown_one_is_refused_with_where_to_look(tmp_path: Path) -> None:
    async with sound_card(tmp_path):
        child = await start(tmp_path, "--list-devices")
        out, _ = await asyncio.wait_for(child.communicate(), 30)
        assert "spoken  (ALSA" in out.decode()
        child = await start(tmp_path, "--device", "nowhere", "--url", "localhost:1")
        _, err = await asyncio.wait_for(child.communicate(), 30)
    assert child.returncode == 1
    assert "no microphone to record from" in err.decode()
    assert "--list-devices" in err.decode()


def test_a_device_that_cannot_record_at_16_khz_is_resampled() -> None:
    from gharial_client.microphone import _resampler

    tone = np.rint(8000 * np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)).astype(np.int16)
    resample = _resampler(44100)
    heard = np.concatenate([resample(tone[at : at + 2646]) for at in range(0, 44100, 2646)])
    assert 15000 < len(heard) <= 16000
    expected = 8000 * np.sin(2 * np.pi * 440 * np.arange(len(heard)) / 16000)
    assert np.abs(heard[800:] - expected[800:]).max() < 100
