"""The streaming endpoint over real sockets, with the null engine: one empty answer per 60 ms."""

import asyncio
import json

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

SAMPLES_60_MS = b"\0" * 1920


@pytest.mark.parametrize("size", [1, 7, 1000, 1920, 3200, 100_000, 1 << 20])
async def test_any_size_of_message_gives_one_answer_per_frame_begun(harness, size: int) -> None:
    audio = b"\0" * (1920 * 3 + 11 if size < 100 else 1920 * 700 + 11)
    async with harness.serve() as server, harness.connect(server) as connection:
        for at in range(0, len(audio), size):
            await connection.send(audio[at : at + size])
        answers = [json.loads(text) for text in await harness.end(connection)]
    assert connection.close_code == 1000
    frames = len(audio) // 1920 + 1
    assert [answer["start"] for answer in answers] == [round(0.06 * n, 3) for n in range(frames)]
    assert all(answer["alternatives"] == [{"transcript": "", "confidence": 1.0}] for answer in answers)


async def test_an_answer_comes_without_waiting_for_more_audio(harness) -> None:
    async with harness.serve() as server, harness.connect(server) as connection:
        for frame in range(3):
            await connection.send(SAMPLES_60_MS)
            answer = json.loads(await asyncio.wait_for(connection.recv(), 5))
            assert answer["end"] == round(0.06 * (frame + 1), 3)


async def test_a_stream_that_ends_at_once_closes_without_answers(harness) -> None:
    async with harness.serve() as server, harness.connect(server) as connection:
        assert await harness.end(connection) == []
    assert (connection.close_code, connection.close_reason) == (1000, "")


async def test_a_second_end_changes_nothing(harness) -> None:
    async with harness.serve() as server, harness.connect(server) as connection:
        await connection.send(SAMPLES_60_MS)
        await connection.send(b"")
        assert len(await harness.end(connection)) == 1
    assert connection.close_code == 1000


async def test_fragments_of_one_message_are_joined(harness) -> None:
    async with harness.serve() as server, harness.connect(server) as connection:
        await connection.send([SAMPLES_60_MS[:7], SAMPLES_60_MS[7:]])
        assert len(await harness.end(connection)) == 1


async def test_a_text_message_closes_the_stream_with_1003_and_what_to_send_instead(harness) -> None:
    async with harness.serve() as server, harness.connect(server) as connection:
        await connection.send("hello")
        with pytest.raises(ConnectionClosed):
            await connection.recv()
        assert connection.close_code == 1003
        assert "binary frames" in connection.close_reason
        await harness.until(lambda: server.service.load.active == 0)


async def test_a_message_over_one_mebibyte_closes_the_stream_with_1009(harness) -> None:
    async with harness.serve() as server, harness.connect(server) as connection:
        await connection.send(b"\0" * ((1 << 20) + 1))
        with pytest.raises(ConnectionClosed):
            await connection.recv()
        assert connection.close_code == 1009


@pytest.mark.parametrize(
    ("target", "status", "named"),
    [
        ("/", 404, "/asr/v0.1/stream"),
        ("/asr/v0.1/stream?content_type=audio/wav", 400, "content_type is 'audio/wav'"),
        ("/asr/v0.1/stream?content_type=audio/x-raw;format=S16LE;channels=1;rate=4000", 400, "8000 to 48000"),
        ("/asr/v0.1/stream?alternatives=none", 400, "alternatives is 'none'"),
        ("/asr/v0.1/stream?modle=general", 400, "unknown parameter 'modle'"),
        ("/asr/v0.1/stream?model=medical", 400, "model medical is not served here; served is general"),
        ("/asr/v0.1/stream?version=v9", 400, "served is v1"),
        ("/asr/v0.1/stream?lang=de", 400, "served is en"),
    ],
)
async def test_a_bad_request_is_refused_before_the_upgrade(harness, target: str, status: int, named: str) -> None:
    async with harness.serve() as server:
        with pytest.raises(InvalidStatus) as refused:
            await harness.connect(server, target)
        assert refused.value.response.status_code == status
        assert named in refused.value.response.body.decode()
        assert server.service.load.active == 0


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, None),
        (["stream.asr.api.myrtle.ai"], "stream.asr.api.myrtle.ai"),
        (["chat", "stream.asr.api.myrtle.ai"], "stream.asr.api.myrtle.ai"),
        (["chat"], None),
    ],
)
async def test_the_subprotocol_is_accepted_when_offered_and_never_required(harness, offered, chosen) -> None:
    async with harness.serve() as server, harness.connect(server, subprotocols=offered) as connection:
        assert connection.subprotocol == chosen
        await connection.send(SAMPLES_60_MS)
        assert len(await harness.end(connection)) == 1


async def test_the_client_is_told_the_streams_name(harness) -> None:
    async with harness.serve() as server, harness.connect(server) as one, harness.connect(server) as other:
        names = {c.response.headers["X-Gharial-Stream"] for c in (one, other)}
    assert len(names) == 2


async def test_a_browser_that_also_asks_to_keep_the_connection_is_served(harness) -> None:
    """Firefox: `Connection: keep-alive, Upgrade`."""
    head = (
        "GET /asr/v0.1/stream HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with harness.serve() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head.encode())
        assert (await reader.readline()).split()[1] == b"101"
        writer.close()
        await harness.until(server.service.emptied.is_set)


async def test_a_plain_http_request_is_told_to_use_a_websocket(harness) -> None:
    async with harness.serve() as server, httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{server.port}/asr/v0.1/stream")
    assert answer.status_code == 426
    assert "WebSocket" in answer.text


async def test_a_client_that_closes_early_gives_its_place_back(harness) -> None:
    async with harness.serve() as server:
        async with harness.connect(server) as connection:
            await connection.send(SAMPLES_60_MS)
            await connection.close(1001, "bye")
        await harness.until(server.service.emptied.is_set)
        assert server.service.load.active == 0
        text = (await harness.get(server, "/metrics")).text
    assert 'gharial_streams_closed_total{code="1001"} 1.0' in text


async def test_streams_do_not_hear_each_other(harness) -> None:
    async with harness.serve() as server:

        async def count(frames: int) -> int:
            async with harness.connect(server) as connection:
                for _ in range(frames):
                    await connection.send(SAMPLES_60_MS)
                return len(await harness.end(connection))

        expected = [3 * n for n in range(20)]
        assert await asyncio.gather(*(count(frames) for frames in expected)) == expected
