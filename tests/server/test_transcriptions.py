"""Whole recordings over HTTP with OpenAI's own client, on the starter model; with the null engine where words do not
matter."""

import asyncio
import io
import os
import re
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import soundfile
from gharial_asr.audio import read_audio
from gharial_asr.compilation import load_model
from gharial_asr.endpointing import EndpointSettings
from gharial_asr.offline import transcribe
from gharial_asr.recognition import Recognition
from gharial_asr.runner import LocalRunner
from gharial_server.bench.encoding import encode, speechlike
from gharial_server.web.transcriptions.hearing import BACKLOG_SECONDS
from gharial_server.web.transcriptions.samples import CHUNK_SECONDS

STARTER = Path(__file__).parents[2] / "models/starter"
SPOKEN = STARTER / "samples/digits-jackson-004.flac"


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    return {"backend": "cpu", "checkpoint": str(STARTER / "starter.gharial"), "cache": tmp_path, "capacity": 2}


@pytest.fixture
def expected() -> str:
    model = load_model(STARTER / "starter.gharial")
    ((_, recognised),) = transcribe(LocalRunner(model, 1), model, [read_audio(SPOKEN)])
    return recognised.transcript


def client(server, **more: Any) -> openai.AsyncOpenAI:
    url = f"http://127.0.0.1:{server.api_port}/v1"
    return openai.AsyncOpenAI(**{"base_url": url, "api_key": "none", "max_retries": 0, **more})


async def post(server, data: dict[str, str] | None = None, file: bytes | None = None) -> httpx.Response:
    files = {"file": ("a.flac", SPOKEN.read_bytes() if file is None else file)}
    async with httpx.AsyncClient(timeout=60) as plain:
        url = f"http://127.0.0.1:{server.api_port}/v1/audio/transcriptions"
        return await plain.post(url, data=data or {}, files=files)


async def test_openais_client_gets_every_form_of_the_transcript(harness, options, expected: str) -> None:
    async with harness.serve(**options) as server, client(server) as api:
        create = api.audio.transcriptions.create
        plain = await create(file=SPOKEN, model="general", language="en", prompt="digits", temperature=0)
        assert plain.text == expected
        assert plain.usage.seconds == -(-soundfile.info(SPOKEN).frames // 16000)
        assert await create(file=SPOKEN, model="general", response_format="text") == f"{expected}\n"
        told = await create(
            file=SPOKEN,
            model="general",
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
        assert told.text == expected
        assert [word.word for word in told.words] == expected.split()
        assert all(a.start < a.end <= b.end for a, b in zip(told.words, told.words[1:], strict=False))
        assert " ".join(segment.text for segment in told.segments) == expected
        assert told.duration == pytest.approx(soundfile.info(SPOKEN).duration, abs=0.001)
        srt = await create(file=SPOKEN, model="general", response_format="srt")
        assert re.match(r"1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\n\w+", srt)
        vtt = await create(file=SPOKEN, model="general", response_format="vtt")
        assert vtt.startswith("WEBVTT\n\n00:00:0")
        assert server.service.load.active == 0


async def test_openais_client_hears_the_words_as_they_come(harness, options, expected: str) -> None:
    async with harness.serve(**options) as server, client(server) as api:
        stream = await api.audio.transcriptions.create(file=SPOKEN, model="general", stream=True)
        events = [event async for event in stream]
        assert [event.type for event in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
        assert len(events) > 4
        assert "".join(event.delta for event in events[:-1]) == expected
        assert (events[-1].type, events[-1].text) == ("transcript.text.done", expected)
        await harness.until(server.service.emptied.is_set)


@pytest.mark.parametrize(("container", "codec"), [("wav", "pcm_s16le"), ("mp3", "libmp3lame"), ("webm", "libopus"),
                                                  ("ogg", "libopus"), ("mp4", "aac")])  # fmt: skip
async def test_common_containers_are_decoded(harness, container: str, codec: str) -> None:
    tone = speechlike(1.5, 48000)[None]
    file = encode(tone, 48000, container, codec) if container != "mp4" else mp4(tone)
    async with harness.serve() as server:
        answer = await post(server, {"response_format": "verbose_json"}, file)
    assert answer.status_code == 200
    assert answer.json()["duration"] == pytest.approx(1.5, abs=0.1)


def mp4(tone: np.ndarray) -> bytes:
    """Its index stands at the end: the file cannot be decoded from front to back."""
    return encode(tone, 48000, "mp4", "aac", seekable=True)


async def test_the_models_are_told(harness) -> None:
    async with harness.serve() as server, client(server) as api:
        assert [model.id async for model in api.models.list()] == ["general"]
        assert (await api.models.retrieve("general")).owned_by == "gharial"
        with pytest.raises(openai.NotFoundError, match="'medical' does not exist here"):
            await api.models.retrieve("medical")


@pytest.mark.parametrize(
    ("data", "status", "code", "named"),
    [
        ({"model": "whisper-1"}, 404, "model_not_found", "served is general"),
        ({"language": "de"}, 400, "invalid_value", "served is en"),
        ({"language": "english please"}, 400, "invalid_value", "BCP 47"),
        ({"response_format": "xml"}, 400, "invalid_value", "json, text, srt"),
        ({"timestamp_granularities[]": "letter"}, 400, "invalid_value", "word, segment"),
        ({"stream": "true", "response_format": "srt"}, 400, "invalid_value", "give json"),
        ({"keywords": "six:much"}, 400, "invalid_value", "phrase:boost"),
    ],
)
async def test_a_wrong_form_is_told_in_openais_words(harness, data, status: int, code: str, named: str) -> None:
    async with harness.serve() as server:
        answer = await post(server, data)
        assert server.service.load.active == 0
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["code"] == code
    assert named in error["message"]


async def test_a_file_that_is_no_recording_is_a_400(harness, tmp_path: Path) -> None:
    playlist = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"
    async with harness.serve() as server:
        for file in (b"", b"hello" * 100, playlist, SPOKEN.read_bytes()[:50]):
            answer = await post(server, file=file)
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"]["code"] == "invalid_audio"
        streamed = await post(server, {"stream": "true"}, b"hello" * 100)
        assert streamed.status_code == 400
        assert server.service.load.active == 0


async def test_limits_of_size_and_length_are_413(harness) -> None:
    async with harness.serve(upload_mib=1, recording_seconds=2.0) as server:
        large = await post(server, file=os.urandom(3 << 20))
        assert (large.status_code, large.json()["error"]["code"]) == (413, "file_too_large")
        long = await post(server, file=encode(speechlike(3.0, 16000)[None], 16000, "wav", "pcm_s16le"))
        assert (long.status_code, long.json()["error"]["code"]) == (413, "recording_too_long")
        assert "longer than 2 s" in long.json()["error"]["message"]
        assert server.service.load.active == 0


async def test_fields_that_change_nothing_are_named(harness) -> None:
    async with harness.serve() as server:
        answer = await post(server, {"temperature": "0.3", "prompt": "x", "model": "general"})
        metrics = (await harness.get(server, "/metrics")).text
    assert answer.headers["X-Gharial-Ignored"] == "prompt, temperature"
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["X-Request-Id"])
    assert 'gharial_recordings_total{outcome="done"} 1.0' in metrics
    assert re.search(r"^gharial_\w*audio_seconds_total\S* [1-9]", metrics, re.MULTILINE)


async def test_a_server_without_a_free_stream_says_when_to_try_again(harness) -> None:
    async with harness.serve(capacity=1) as server, harness.connect(server) as live:
        await harness.until(lambda: server.service.load.active == 1)
        refused = await post(server)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert refused.json()["error"]["type"] == "server_error"
        await live.close()
        await harness.until(server.service.emptied.is_set)
        assert (await post(server)).status_code == 200


async def test_so_many_are_decoded_at_once_as_the_server_was_told_and_few_wait(harness) -> None:
    file = encode(speechlike(20.0, 16000)[None], 16000, "flac", "flac")
    async with harness.serve(transcriptions=2) as server:
        most = 0

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, server.service.load.active)
                await asyncio.sleep(0.002)

        watching = asyncio.create_task(watch())
        answers = await asyncio.gather(*(post(server, file=file) for _ in range(13)))
        watching.cancel()
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) >= 10
    assert set(statuses) <= {200, 503}
    assert most == 2


async def test_a_client_that_leaves_frees_its_place(harness) -> None:
    file = encode(speechlike(1200.0, 8000)[None], 8000, "flac", "flac")
    async with harness.serve(capacity=1) as server:
        for data in ({}, {"stream": "true"}):
            sending = asyncio.create_task(post(server, data, file))
            await harness.until(lambda: server.service.load.active == 1)
            sending.cancel()
            await harness.until(lambda: server.service.load.active == 0)
        await harness.until(server.service.emptied.is_set)


async def test_little_of_a_recording_waits_in_the_engine_at_any_time(harness) -> None:
    """So a recording is never more than one row of a step, and takes nothing from streams that speak now."""
    file = encode(speechlike(60.0, 16000)[None], 16000, "flac", "flac")
    async with harness.serve() as server:
        waiting: list[float] = []

        async def watch() -> None:
            while True:
                waiting.append(server.service.backlog_seconds)
                await asyncio.sleep(0.001)

        watching = asyncio.create_task(watch())
        assert (await post(server, file=file)).status_code == 200
        watching.cancel()
    assert 0 < max(waiting) <= BACKLOG_SECONDS + CHUNK_SECONDS + 0.06


async def test_endpointing_of_the_server_does_not_cut_a_recording(harness, options, expected: str) -> None:
    samples: np.ndarray = soundfile.read(SPOKEN, dtype="int16")[0]
    twice = np.concatenate([samples, np.zeros(32000, np.int16), samples])
    soundfile.write(into := io.BytesIO(), twice, 16000, format="WAV")
    options["recognition"] = Recognition(endpointing=EndpointSettings(silence_seconds=0.9))
    async with harness.serve(**options) as server:
        answer = (await post(server, {"response_format": "verbose_json", "timestamp_granularities[]": "word"},
                             into.getvalue())).json()  # fmt: skip
    assert len(answer["text"].split()) >= 2 * len(expected.split()) - 1
    starts = [word["start"] for word in answer["words"]]
    assert starts == sorted(starts)
    assert starts[-1] > (len(samples) + 32000) / 16000


async def test_keys_are_asked_for_as_openai_does(harness, tmp_path: Path) -> None:
    (tmp_path / "acme").write_text("k" * 24)
    async with harness.serve(tenants=tmp_path) as server:
        async with client(server, api_key="k" * 24) as api:
            assert (await api.audio.transcriptions.create(file=SPOKEN, model="general")).text == ""
        async with client(server, api_key="wrong") as api:
            with pytest.raises(openai.AuthenticationError) as refused:
                await api.audio.transcriptions.create(file=SPOKEN, model="general")
            assert refused.value.code == "invalid_api_key"
            with pytest.raises(openai.AuthenticationError):
                await api.models.list()


async def test_a_recording_is_one_of_the_streams_that_a_key_may_have(harness, tmp_path: Path) -> None:
    (tmp_path / "acme").write_text("k" * 24)
    target = "/asr/v0.1/stream?api_key=" + "k" * 24
    async with (
        harness.serve(tenants=tmp_path, tenant_streams=1) as server,
        harness.connect(server, target) as live,
        client(server, api_key="k" * 24) as api,
    ):
        await harness.until(lambda: server.service.load.active == 1)
        with pytest.raises(openai.RateLimitError, match="as many as it may"):
            await api.audio.transcriptions.create(file=SPOKEN, model="general")
        await live.close()
        await harness.until(server.service.emptied.is_set)
        assert (await api.audio.transcriptions.create(file=SPOKEN, model="general")).text == ""


async def test_the_pages_of_both_ports_need_nothing_from_elsewhere(harness) -> None:
    async with harness.serve() as server, httpx.AsyncClient() as plain:
        for port, named in ((server.api_port, "/v1/audio/transcriptions"), (server.http_port, "/readyz")):
            page = await plain.get(f"http://127.0.0.1:{port}/docs")
            assert named in page.text
            assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", page.text)
        unknown = await plain.get(f"http://127.0.0.1:{server.api_port}/v1/embeddings")
        assert unknown.status_code == 404
        assert unknown.json()["error"]["code"] == "unknown_url"
