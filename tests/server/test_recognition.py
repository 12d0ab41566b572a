"""The whole server with a real, tiny network: what is streamed is what is decoded offline."""

import asyncio
import hashlib
import io
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from gharial_asr.audio import read_audio
from gharial_asr.building import build_runner
from gharial_asr.checkpoint import save_hardware_checkpoint
from gharial_asr.compilation import load_model
from gharial_asr.decoding.settings import BEAM
from gharial_asr.offline import transcribe
from gharial_asr.recognition import Recognition
from gharial_asr.runner import LocalRunner
from gharial_server.checkpoints import digest
from tiny_models import babble, tiny_checkpoint

STREAM = "/asr/v0.1/stream?content_type=audio/x-raw;format=S16LE;channels=1;rate=16000"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.pt"
    save_hardware_checkpoint(path, tiny_checkpoint())
    return path


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("recordings")
    paths = [folder / f"{n}.wav" for n in range(4)]
    for n, path in enumerate(paths):
        soundfile.write(path, babble(2.5 + 0.777 * n, seed=n), 16000, subtype="PCM_16")
    return paths


def only_artefact(cache: Path) -> Path:
    (artefact,) = cache.rglob("*.gharial")
    return artefact


async def streamed(harness, server, path: Path, chunk: int) -> str:
    """The joined finals of one recording, sent in messages of `chunk` bytes."""
    pcm = soundfile.read(path, dtype="int16")[0].tobytes()
    async with harness.connect(server) as connection:
        for at in range(0, len(pcm), chunk):
            await connection.send(pcm[at : at + chunk])
        answers = [json.loads(text) for text in await harness.end(connection)]
    assert connection.close_code == 1000
    assert len(answers) == -(-len(pcm) // 1920)
    return "".join(answer["alternatives"][0]["transcript"] for answer in answers)


async def test_streams_side_by_side_in_any_chunking_equal_the_offline_transcripts(
    harness, checkpoint: Path, recordings: list[Path], tmp_path: Path
) -> None:
    model = load_model(checkpoint)
    offline = dict(transcribe(LocalRunner(model, 4), model, map(read_audio, recordings)))
    expected = [offline[n].transcript for n in range(len(recordings))]
    assert len({text for text in expected if text}) >= 2
    async with harness.serve(backend="cpu", checkpoint=str(checkpoint), cache=tmp_path, capacity=4) as server:
        chunks = (1, 1920, 3333, 1 << 20)
        heard = await asyncio.gather(
            *(streamed(harness, server, path, chunk) for path, chunk in zip(recordings, chunks, strict=True))
        )
    assert [text.strip() for text in heard] == expected


async def test_beam_search_sends_partials_with_the_alternatives_asked_for_and_finals_that_stand(
    harness, checkpoint: Path, recordings: list[Path], tmp_path: Path
) -> None:
    told = Recognition(decoder=BEAM)
    model = load_model(checkpoint)
    ((_, expected),) = transcribe(build_runner(model, 1, told), model, [read_audio(recordings[2])])
    pcm = soundfile.read(recordings[2], dtype="int16")[0].tobytes()
    options = {"backend": "cpu", "checkpoint": str(checkpoint), "cache": tmp_path, "capacity": 2}
    async with (
        harness.serve(**options, recognition=told) as server,
        harness.connect(server, f"{STREAM}&alternatives=3") as connection,
    ):
        await connection.send(pcm)
        answers = [json.loads(text) for text in await harness.end(connection)]
    finals = [answer for answer in answers if not answer["is_provisional"]]
    partials = [answer for answer in answers if answer["is_provisional"]]
    assert "".join(answer["alternatives"][0]["transcript"] for answer in finals).strip() == expected.transcript
    assert answers[-1] is finals[-1]
    assert len(partials) == -(-len(pcm) // 1920) - 1
    assert max(len(answer["alternatives"]) for answer in partials) == 3
    assert all(before["end"] <= after["start"] <= after["end"] for before, after in itertools.pairwise(finals))


async def test_a_checkpoint_is_compiled_once_into_the_cache(harness, checkpoint: Path, tmp_path: Path) -> None:
    options = {"backend": "cpu", "checkpoint": str(checkpoint), "cache": tmp_path, "sha256": digest(checkpoint)}
    async with harness.serve(**options) as server:
        first = server.service.engine.model.digest
    artefact = only_artefact(tmp_path)
    assert artefact.parent.name == digest(checkpoint)
    assert digest(artefact) == first
    written = artefact.stat().st_mtime_ns
    async with harness.serve(**options) as server:
        assert server.service.engine.model.digest == first
    assert artefact.stat().st_mtime_ns == written


async def test_a_wrong_checksum_ends_the_server_before_the_file_is_opened(harness, tmp_path: Path) -> None:
    """The file is no checkpoint at all: its checksum must be what the message is about."""
    path = tmp_path / "model.pt"
    path.write_bytes(b"harmful")
    with pytest.raises(RuntimeError, match=r"^ChecksumMismatch") as refused:
        async with harness.serve(backend="cpu", checkpoint=str(path), cache=tmp_path / "cache", sha256="0" * 64):
            pass
    assert hashlib.sha256(b"harmful").hexdigest() in str(refused.value)


async def test_a_file_that_is_no_checkpoint_is_named(harness, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    np.save(buffer := io.BytesIO(), np.zeros(3))
    path.write_bytes(buffer.getvalue())
    with pytest.raises(RuntimeError, match=r"model\.pt"):
        async with harness.serve(backend="cpu", checkpoint=str(path), cache=tmp_path / "cache"):
            pass
