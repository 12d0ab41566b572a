"""What an operator of servers sees of streams: metrics, traces, logs. And what nobody must see there: words."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile
from gharial_server.metrics import MAX_TENANTS, Metrics
from gharial_server.settings import Settings
from trace_collector import attributes, collecting
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

STARTER = Path(__file__).resolve().parents[2] / "models/starter"
DIGITS = STARTER / "samples/digits-jackson-000.flac"
CPU: dict[str, Any] = {"backend": "cpu", "checkpoint": str(STARTER / "starter.gharial"), "capacity": 4}
KEY = "0123456789abcdef0123"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def samples() -> bytes:
    pcm: bytes = soundfile.read(DIGITS, dtype="int16")[0].tobytes()
    return pcm


def value(text: str, name: str) -> float:
    """One sample of an exposition."""
    (found,) = (line for line in text.splitlines() if line.startswith(f"{name} "))
    return float(found.rsplit(" ", 1)[1])


@pytest.fixture
def tenants(tmp_path: Path) -> Path:
    folder = tmp_path / "tenants"
    folder.mkdir()
    (folder / "radio").write_text(KEY)
    return folder


async def test_metrics_tell_first_and_last_word_and_what_each_tenant_does(harness, tenants: Path) -> None:
    async with harness.serve(**CPU, tenants=tenants) as server:
        async with harness.connect(server, additional_headers={"X-API-Key": KEY}) as connection:
            await connection.send(samples())
            text = (await harness.get(server, "/metrics")).text
            assert value(text, 'gharial_tenant_streams_active{tenant="radio"}') == 1
            assert value(text, "gharial_backlog_seconds") >= 0
            assert await harness.end(connection)
        await harness.until(server.service.emptied.is_set)
        text = (await harness.get(server, "/metrics")).text
    seconds = len(samples()) / 32000
    assert value(text, 'gharial_tenant_streams_active{tenant="radio"}') == 0
    assert value(text, 'gharial_tenant_streams_total{tenant="radio"}') == 1
    assert value(text, 'gharial_tenant_audio_seconds_total{tenant="radio"}') == pytest.approx(seconds)
    assert value(text, "gharial_backlog_seconds") == 0
    for which in ("first", "last"):
        assert value(text, f"gharial_{which}_word_seconds_count") == 1
        assert 0 < value(text, f"gharial_{which}_word_seconds_sum") < 30
    (model,) = re.findall(r"gharial_model_info\{(.*)\} 1.0", text)
    assert 'model="general"' in model
    assert 'backend="cpu"' in model


def test_labels_of_tenants_are_bounded() -> None:
    metrics = Metrics()
    for number in range(MAX_TENANTS + 50):
        metrics.count(f"tenant-{number}", 1)
    streams = {
        sample.labels["tenant"]: sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "gharial_tenant_streams_total"
    }
    assert len(streams) == MAX_TENANTS + 1
    assert streams["others"] == 50


async def test_a_stream_is_one_trace_under_the_caller_s_own(harness) -> None:
    with collecting() as collected:
        async with (
            harness.serve(**CPU, traces=collected.url) as server,
            harness.connect(server, additional_headers={"traceparent": TRACEPARENT}) as connection,
        ):
            name = connection.response.headers["X-Gharial-Stream"]
            await connection.send(samples())
            answers = [json.loads(answer) for answer in await harness.end(connection)]
        spans = {span.name: span for span in collected.spans}
    assert set(spans) == {"stream", "handshake", "first audio", "first word", "last word", "close"}
    stream = spans.pop("stream")
    assert stream.trace_id.hex() == TRACEPARENT.split("-")[1]
    assert stream.parent_span_id.hex() == TRACEPARENT.split("-")[2]
    assert {span.parent_span_id for span in spans.values()} == {stream.span_id}
    told = attributes(list(stream.attributes))
    assert told["gharial.stream"] == name
    assert told["gharial.close_code"] == 1000
    assert told["gharial.answers"] == len(answers)
    assert len(stream.events) == sum(1 for answer in answers if answer["alternatives"][0]["transcript"])
    for span in spans.values():
        assert stream.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= stream.end_time_unix_nano
    assert not spoken(str(collected.requests), answers)


async def test_a_stream_that_fails_is_a_failed_trace_without_the_parts_it_never_reached(harness) -> None:
    with collecting() as collected:
        async with harness.serve(traces=collected.url) as server, harness.connect(server) as connection:
            await connection.send("words in a text frame")
            with pytest.raises(ConnectionClosed):
                await connection.recv()
        spans = {span.name: span for span in collected.spans}
    assert set(spans) == {"stream", "handshake"}
    assert spans["stream"].status.code == 2
    assert attributes(list(spans["stream"].attributes))["gharial.close_code"] == 1003


def test_a_collector_s_address_that_is_none_is_refused_with_an_example() -> None:
    with pytest.raises(ValueError, match=r"--traces is 'localhost:4318'.* http://localhost:4318"):
        Settings(backend="null", traces="localhost:4318")


async def test_no_log_of_a_server_holds_a_word_of_a_transcript(harness) -> None:
    options = ("--backend", "cpu", "--checkpoint", CPU["checkpoint"], "--log-level", "debug")
    async with harness.process(*options) as server:
        url, _ = await server.ready()
        started = next(line for line in server.lines if line["message"] == "started")
        async with connect(url, proxy=None) as connection:
            name = connection.response.headers["X-Gharial-Stream"]
            await connection.send(samples())
            answers = [json.loads(answer) for answer in await harness.end(connection)]
        await server.log("stream closed")
        assert server.lines[-1]["stream"] == name
        async with connect(url, proxy=None) as connection:  # goes away in the middle of the answers
            await connection.send(samples())
            await connection.recv()
        async with connect(url, proxy=None) as connection:  # is closed by the server
            await connection.send(samples())
            await connection.send("text")
            with pytest.raises(ConnectionClosed):
                while True:
                    await connection.recv()
        with pytest.raises(InvalidStatus):
            await connect(f"{url}&keywords=Ω:1", proxy=None)
        async with httpx.AsyncClient() as client:
            files = {"file": (DIGITS.name, DIGITS.read_bytes())}
            answer = await client.post(f"http://127.0.0.1:{started['api_port']}/v1/audio/transcriptions", files=files)
        assert spoken(answer.text, answers)
        server.process.terminate()
        rest = await asyncio.wait_for(server.process.stderr.read(), 30)
    text = "\n".join(map(json.dumps, server.lines)) + rest.decode()
    assert '"stream closed"' in text
    assert spoken(text, answers) == set()


def spoken(text: str, answers: list[dict[str, Any]]) -> set[str]:
    """Words of the answers' transcripts that stand in a text."""
    words = set("".join(answer["alternatives"][0]["transcript"] for answer in answers).split())
    assert len(words) >= 3
    return words & set(re.findall(r"[a-z']+", text.lower()))
