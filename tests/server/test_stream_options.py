"""Endpointing, state resets and keywords over a real WebSocket, on the starter model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from gharial_asr.endpointing import EndpointSettings
from gharial_asr.recognition import Recognition
from gharial_asr.resets import ResetSettings
from websockets.exceptions import InvalidStatus

STARTER = Path(__file__).parents[2] / "models/starter"
TARGET = "/asr/v0.1/stream"


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    return {"backend": "cpu", "checkpoint": str(STARTER / "starter.gharial"), "cache": tmp_path, "capacity": 2}


def said(name: str) -> bytes:
    samples: np.ndarray = soundfile.read(STARTER / f"samples/{name}.flac", dtype="int16")[0]
    return samples.tobytes()


async def test_silence_closes_the_stream_and_the_last_answer_says_so(harness, options: dict[str, Any]) -> None:
    options["recognition"] = Recognition(ResetSettings(2.4, 1.2), EndpointSettings(silence_seconds=0.9))
    async with harness.serve(**options) as server, harness.connect(server, TARGET) as connection:
        await connection.send(said("digits-jackson-004") + bytes(64_000))
        answers = [json.loads(text) async for text in connection]
        assert connection.close_code == 1000
        assert [answer.get("endpoint") for answer in answers] == [None] * (len(answers) - 1) + ["silence"]
        transcript = "".join(answer["alternatives"][0]["transcript"] for answer in answers)
        assert len(transcript.split()) >= 4


async def test_keywords_of_the_address_and_of_the_server_are_heard(harness, options: dict[str, Any]) -> None:
    async def heard(server: Any, target: str) -> list[str]:
        async with harness.connect(server, target) as connection:
            await connection.send(said("digits-jackson-001"))
            answers = [json.loads(text) for text in await harness.end(connection)]
        return "".join(answer["alternatives"][0]["transcript"] for answer in answers).split()

    async with harness.serve(**options) as server:
        assert "six" not in await heard(server, TARGET)
        assert "six" in await heard(server, f"{TARGET}?keywords=six:0.5")
    async with harness.serve(**options, keywords=(("six", 0.5),)) as server:
        assert "six" in await heard(server, TARGET)
        assert "six" not in await heard(server, f"{TARGET}?keywords=six:-0.5")


@pytest.mark.parametrize(
    ("query", "remedy"),
    [
        ("keywords=six:much", "give phrase:boost"),
        ("keywords=Six", "never writes"),
        ("keywords=six:11", "give -10 to 10"),
    ],
)
async def test_keywords_that_cannot_be_are_refused_before_the_upgrade(
    harness, options: dict[str, Any], query: str, remedy: str
) -> None:
    async with harness.serve(**options) as server:
        with pytest.raises(InvalidStatus) as refused:
            async with harness.connect(server, f"{TARGET}?{query}"):
                pass
    assert refused.value.response.status_code == 400
    assert remedy in (refused.value.response.body or b"").decode()
