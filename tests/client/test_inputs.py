"""What `gharial client transcribe` takes: folders, pipes, several at once, and what is no audio among them."""

import asyncio
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from gharial_client.recordings import recordings_of
from gharial_client.sources import LiveAudio, Recording


async def transcribe(*words: str, stdin: bytes = b"") -> tuple[int, str, str]:
    """Exit status, standard output and standard error of `gharial client transcribe …`."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gharial_cli", "client", "transcribe", "--fast", *words,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(child.communicate(stdin), 60)
    assert child.returncode is not None
    return child.returncode, out.decode(), err.decode()


async def test_each_input_gets_its_line_and_each_bad_one_its_error(harness, tmp_path: Path) -> None:
    (tmp_path / "talks/deep").mkdir(parents=True)
    soundfile.write(tmp_path / "talks/a.wav", harness.spoken([1, 0, 2]), 16000)
    soundfile.write(tmp_path / "talks/deep/b.flac", harness.spoken([3]), 16000)
    (tmp_path / "talks/broken.wav").write_text("no audio")
    (tmp_path / "talks/notes.txt").write_text("not looked at")
    (tmp_path / "empty").mkdir()
    missing = tmp_path / "missing.wav"
    async with harness.serve() as server:
        words = (str(tmp_path / "talks"), str(tmp_path / "empty"), str(missing), "--jobs", "3", "--json")
        status, out, err = await transcribe(*words, "--url", harness.url(server))
    assert status == 1
    said = {Path(report["file"]).name: report["transcript"] for report in map(json.loads, out.splitlines())}
    assert said == {"a.wav": "1 2", "b.flac": "3"}
    complaints = [line for line in err.splitlines() if line.startswith("gharial client transcribe: ")]
    assert [any(name in line for line in complaints) for name in ("broken.wav", "empty", "missing.wav")] == [True] * 3
    assert len(complaints) == 3


async def test_a_recording_comes_through_a_pipe(harness) -> None:
    file = io.BytesIO()
    soundfile.write(file, harness.spoken([4, 5]), 16000, format="FLAC")
    async with harness.serve() as server:
        status, out, _ = await transcribe("-", "--url", harness.url(server), stdin=file.getvalue())
    assert (status, out) == (0, "4 5\n")


async def test_raw_samples_come_through_a_pipe_cut_anywhere(harness) -> None:
    samples = harness.spoken([6, 0, 7]).astype("<i2").tobytes()
    async with harness.serve() as server:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gharial_cli", "client", "transcribe", "-", "--raw", "--json", "--url",
            harness.url(server), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert child.stdin is not None
        child.stdin.write(samples[:2001])
        await harness.until(lambda: server.service.engine.active == 1, 30)
        child.stdin.write(samples[2001:] + b"\0")
        child.stdin.close()
        assert child.stdout is not None
        report = json.loads(await asyncio.wait_for(child.stdout.read(), 30))
    assert (report["transcript"], report["audio_seconds"]) == ("6 7", 0.18)


async def test_a_silent_pipe_does_not_hold_up_the_end(harness) -> None:
    async with harness.serve() as server:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gharial_cli", "client", "transcribe", "-", "--raw", "--url",
            harness.url(server) + "?lang=de", stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert child.stderr is not None
        told = await asyncio.wait_for(child.stderr.read(), 30)
    assert await child.wait() == 1
    assert b"lang de is not served" in told


def test_a_folder_gives_its_audio_in_order_and_one_without_any_is_refused(tmp_path: Path) -> None:
    for name in ("b.wav", "a.OGG", "c.txt"):
        (tmp_path / name).touch()
    named = tmp_path / "c.txt"
    assert list(recordings_of([tmp_path, named])) == [tmp_path / "a.OGG", tmp_path / "b.wav", named]
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match=r"none holds no audio; looked for \.aif"):
        list(recordings_of([tmp_path / "none"]))


async def test_live_audio_is_waited_for_and_may_be_read_again() -> None:
    audio = LiveAudio()
    audio.feed(np.arange(5, dtype=np.int16))
    waiting = asyncio.create_task(audio.read(3, 4))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    audio.feed(np.arange(5, 8, dtype=np.int16))
    assert (await waiting).tolist() == [3, 4, 5, 6]
    audio.end()
    assert (await audio.read(6, 4)).tolist() == [6, 7]
    assert (await audio.read(0, 2)).tolist() == [0, 1]
    assert (await audio.read(9, 2)).tolist() == []


async def test_live_audio_forgets_what_was_answered_long_ago() -> None:
    audio = LiveAudio()
    audio.feed(np.arange(2_000_000, dtype=np.int32).astype(np.int16))
    last = (await audio.read(1_999_990, 10)).tolist()
    audio.settled(1_900_000)
    audio.feed(np.ones(4, np.int16))
    assert (await audio.read(1_999_990, 14)).tolist() == [*last, 1, 1, 1, 1]
    assert sum(map(len, audio._pieces)) < 500_000


async def test_a_recording_is_sent_at_its_pace_from_wherever_it_goes_on() -> None:
    loop = asyncio.get_running_loop()
    recording = Recording(np.zeros(16000, np.int16), pace=4.0)
    await recording.read(0, 960)
    began = loop.time()
    await recording.read(7040, 960)
    assert 0.1 < loop.time() - began < 0.4
    assert len(await recording.read(15990, 960)) == 10
