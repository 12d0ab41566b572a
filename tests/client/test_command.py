"""`gharial client` as a command, and a client written from the published documentation alone."""

import asyncio
import json
import sys
from pathlib import Path

import soundfile
from websockets.asyncio.client import connect


async def command(*words: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of `gharial client …`."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gharial_cli", "client", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(child.communicate(), 60)
    assert child.returncode is not None
    return child.returncode, out.decode(), err.decode()


async def test_transcribe_prints_the_words_and_on_standard_error_how_fast_they_came(harness, tmp_path: Path) -> None:
    path = tmp_path / "numbers.flac"
    soundfile.write(path, harness.spoken([0, 5, 0, 8, 9]), 16000)
    async with harness.serve() as server:
        status, out, err = await command("transcribe", str(path), "--url", harness.url(server))
    assert (status, out) == (0, "5 8 9\n")
    assert "numbers.flac: 0.3 s of audio, 5 answers, latency p50" in err


async def test_json_has_one_object_per_recording_and_a_bad_file_makes_the_status_1(harness, tmp_path: Path) -> None:
    good, bad = tmp_path / "a.wav", tmp_path / "b.wav"
    soundfile.write(good, harness.spoken([4, 0, 2]), 16000)
    bad.write_bytes(b"no audio")
    async with harness.serve() as server:
        words = ("transcribe", str(bad), str(good), "--url", harness.url(server), "--json", "--fast")
        status, out, err = await command(*words)
    assert status == 1
    assert "b.wav cannot be read as audio" in err
    (line,) = out.splitlines()
    report = json.loads(line)
    assert (report["file"], report["transcript"], report["answers"]) == (str(good), "4 2", 3)


async def test_load_keeps_the_streams_going_and_reports_what_users_feel(harness, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, harness.spoken([1, 2] * 10), 16000)
    async with harness.serve() as server:
        words = ("load", str(path), "--url", harness.url(server), "--streams", "5", "--seconds", "2", "--json")
        status, out, err = await command(*words)
    assert status == 0, err
    report = json.loads(out)
    assert (report["refusals"], report["errors"], report["unanswered"]) == ({}, {}, 0)
    assert report["completed"] >= 3
    assert report["answers"] >= 5 * 20
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p99"]


async def test_load_counts_why_streams_failed(harness, tmp_path: Path) -> None:
    async with harness.serve(capacity=1) as server:
        words = ("load", "--url", harness.url(server), "--streams", "3", "--seconds", "1", "--json")
        status, out, _ = await command(*words)
    assert status == 1
    assert any("maximum number of simultaneous connections" in why for why in json.loads(out)["refusals"])


async def test_a_client_written_from_the_published_documentation_alone_is_understood(harness) -> None:
    """Raw `;` in the URL, messages of 100 ms, alternatives[0] of every answer, an empty frame at the end."""
    samples = harness.spoken([6, 0, 0, 7, 8])
    async with harness.serve() as server:
        target = "/asr/v0.1/stream?content_type=audio/x-raw;format=S16LE;channels=1;rate=16000"
        transcript = ""
        async with connect(harness.url(server) + target) as socket:
            for at in range(0, len(samples), 1600):
                await socket.send(samples[at : at + 1600].tobytes())
            await socket.send(b"")
            async for message in socket:
                assert isinstance(message, str)
                transcript += json.loads(message)["alternatives"][0]["transcript"]
        assert socket.close_code == 1000
    assert transcript == " 6 7 8"
