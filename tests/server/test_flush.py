"""A flush makes final what is pending; the stream and its times go on."""

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from gharial_asr.decoding.settings import BEAM
from gharial_asr.recognition import Recognition
from websockets.exceptions import ConnectionClosed

STARTER = Path(__file__).parents[2] / "models/starter"
TARGET = "/asr/v0.1/stream?flush=true"


async def until_flushed(connection) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []
    while not answers or answers[-1].get("endpoint") != "flush":
        answers.append(json.loads(await asyncio.wait_for(connection.recv(), 30)))
    return answers


async def test_times_go_on_behind_a_flush_and_every_flush_has_its_answer(harness) -> None:
    async with harness.serve(capacity=1) as server, harness.connect(server, TARGET) as connection:
        await connection.send("flush")
        assert [(a["start"], a["end"]) for a in await until_flushed(connection)] == [(0, 0)]
        await connection.send(bytes(1920 * 2 + 320))
        await connection.send("flush")
        first = await until_flushed(connection)
        assert [(a["start"], a["end"]) for a in first] == [(0, 0.06), (0.06, 0.12), (0.12, 0.13)]
        await connection.send(bytes(1920))
        rest = [json.loads(text) for text in await harness.end(connection)]
        assert [(a["start"], a["end"], a.get("endpoint")) for a in rest] == [(0.13, 0.19, None)]
        assert connection.close_code == 1000
        await harness.until(lambda: server.service.load.active == 0)


async def test_audio_and_the_end_right_behind_a_flush_wait_for_it(harness) -> None:
    async with harness.serve() as server, harness.connect(server, TARGET) as connection:
        for _ in range(3):
            await connection.send(bytes(1920 * 3))
            await connection.send("flush")
        await connection.send(bytes(1920))
        answers = [json.loads(text) for text in await harness.end(connection)]
    assert answers[-1]["end"] == 0.6
    assert all(a["start"] <= b["start"] for a, b in itertools.pairwise(answers))
    assert [answer["end"] for answer in answers if answer.get("endpoint") == "flush"] == [0.18, 0.36, 0.54]
    assert connection.close_code == 1000


async def test_a_draining_server_lets_a_stream_flush(harness) -> None:
    async with harness.serve() as server, harness.connect(server, TARGET) as connection:
        await connection.send(bytes(1920))
        await connection.recv()
        server.service.drain()
        await connection.send("flush")
        await until_flushed(connection)
        await connection.send(bytes(1920))
        assert len(await harness.end(connection)) == 1


async def test_who_did_not_ask_for_it_may_not_flush(harness) -> None:
    async with harness.serve() as server, harness.connect(server) as connection:
        await connection.send("flush")
        with pytest.raises(ConnectionClosed):
            await connection.recv()
        assert connection.close_code == 1003


async def test_beam_search_settles_everything_at_a_flush(harness, tmp_path: Path) -> None:
    samples: np.ndarray = soundfile.read(STARTER / "samples/digits-jackson-004.flac", dtype="int16")[0]
    options = {"backend": "cpu", "checkpoint": str(STARTER / "starter.gharial"), "cache": tmp_path, "capacity": 1}
    async with (
        harness.serve(**options, recognition=Recognition(decoder=BEAM)) as server,
        harness.connect(server, f"{TARGET}&words=true") as connection,
    ):
        parts = []
        for _ in range(2):
            await connection.send(samples.tobytes())
            await connection.send("flush")
            parts.append([a for a in await until_flushed(connection) if not a["is_provisional"]])
        assert await harness.end(connection) == []
    said = ["".join(answer["alternatives"][0]["transcript"] for answer in part) for part in parts]
    assert said[0] == said[1]
    assert len(said[0].split()) >= 4
    first, second = ([w for a in part for w in a["alternatives"][0]["words"]] for part in parts)
    shift = len(samples) / 16000
    assert [w["word"] for w in first] == said[0].split()
    assert [w["start"] for w in second] == pytest.approx([w["start"] + shift for w in first], abs=0.002)
