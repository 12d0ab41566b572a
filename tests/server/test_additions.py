"""What a client may ask for beside the plain stream, and the order of what it gets, on the starter model."""

import asyncio
import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from gharial_asr.decoding.settings import BEAM
from gharial_asr.recognition import PLAIN, Recognition

STARTER = Path(__file__).parents[2] / "models/starter"
TARGET = "/asr/v0.1/stream"
PLAIN_FIELDS = {"start", "end", "is_provisional", "alternatives"}


@pytest.fixture(params=["greedy", "beam"])
def options(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    recognition = Recognition(decoder=BEAM) if request.param == "beam" else PLAIN
    return {
        "backend": "cpu",
        "checkpoint": str(STARTER / "starter.gharial"),
        "cache": tmp_path,
        "capacity": 2,
        "recognition": recognition,
    }


def said(seconds_of_silence: float = 0.0) -> bytes:
    samples: np.ndarray = soundfile.read(STARTER / "samples/digits-jackson-004.flac", dtype="int16")[0]
    return samples.tobytes() + bytes(2 * int(16000 * seconds_of_silence))


async def answers_to(harness, server, target: str, audio: bytes) -> list[dict[str, Any]]:
    async with harness.connect(server, target) as connection:
        await connection.send(audio)
        answers = [json.loads(text) for text in await harness.end(connection)]
    assert connection.close_code == 1000
    return answers


async def test_words_come_with_times_and_confidences_and_change_nothing_else(harness, options) -> None:
    async with harness.serve(**options) as server:
        plain = await answers_to(harness, server, TARGET, said())
        told = await answers_to(harness, server, f"{TARGET}?words=true", said())
    assert all(answer.keys() == PLAIN_FIELDS for answer in plain)
    assert all(set(each) == {"transcript", "confidence"} for answer in plain for each in answer["alternatives"])
    words = [word for answer in told for each in answer["alternatives"] for word in each.pop("words")]
    assert told == plain
    finals = [answer for answer in plain if not answer["is_provisional"]]
    transcript = "".join(answer["alternatives"][0]["transcript"] for answer in finals)
    assert [word["word"] for word in words] == transcript.split()
    assert len(words) >= 4
    assert all(0 <= word["start"] < word["end"] and 0 < word["confidence"] <= 1 for word in words)
    assert all(one["start"] < other["start"] for one, other in itertools.pairwise(words))


async def test_a_pause_is_told_when_it_was_asked_for_and_the_stream_goes_on(harness, options) -> None:
    audio = said(2.0)
    async with harness.serve(**options) as server:
        answers = await answers_to(harness, server, f"{TARGET}?pauses=1.2", audio * 2)
    pauses = [answer["end"] for answer in answers if answer.get("endpoint") == "pause"]
    assert len(pauses) == 2
    assert pauses[0] < len(audio) / 32000 < pauses[1]


async def test_finals_go_before_the_partial_of_their_frame_and_nothing_follows_the_closing_answer(
    harness, options
) -> None:
    async with harness.serve(**options) as server:
        answers = await answers_to(harness, server, TARGET, said(2.0))
    frames = -(-len(said(2.0)) // 1920)
    if options["recognition"] is PLAIN:
        assert len(answers) == frames
        assert not any(answer["is_provisional"] for answer in answers)
    else:
        partials = [answer for answer in answers if answer["is_provisional"]]
        assert [answer["end"] for answer in partials] == [round(0.06 * (n + 1), 3) for n in range(frames - 1)]
        # The partial behind a final begins where the final ends: what was settled is not told again.
        finals = [n for n, answer in enumerate(answers) if not answer["is_provisional"]]
        assert len(finals) >= 2
        assert all(answers[n + 1]["start"] == answers[n]["end"] for n in finals[:-1])
    assert answers[-1]["is_provisional"] is False


async def test_the_closing_answer_takes_one_step_of_the_engine(harness, options) -> None:
    async def steps() -> int:
        text = (await harness.get(server, "/metrics")).text
        return int(float(re.search(r"^gharial_batch_size_count (\S+)$", text, re.MULTILINE)[1]))

    async with harness.serve(**options) as server, harness.connect(server) as connection:
        for n in range(5):
            await connection.send(said()[1920 * n : 1920 * (n + 1)])
            await connection.recv()
        await connection.send(said()[9600:10000])
        closing = await harness.end(connection)
        assert json.loads(closing[-1])["end"] == 0.36
        async with asyncio.timeout(10):
            while await steps() < 6:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await steps() == 6
