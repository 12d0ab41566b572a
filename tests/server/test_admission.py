"""Who gets in, when the server says it is ready, and how it drains."""

import asyncio
import contextlib
import signal

import pytest
from gharial_server.admission import Load, Phase, refuse, unready
from gharial_server.front_process import first
from websockets.exceptions import ConnectionClosed, InvalidStatus

SAMPLES_60_MS = b"\0" * 1920


def test_a_place_is_given_while_there_is_one() -> None:
    assert refuse(Phase.SERVING, Load(9, 10), 1) is None


@pytest.mark.parametrize(
    ("phase", "reason"),
    [(Phase.SERVING, "full"), (Phase.LOADING, "loading"), (Phase.DRAINING, "draining"), (Phase.FAILED, "failed")],
)
def test_every_refusal_is_a_503_that_says_when_to_come_back(phase: Phase, reason: str) -> None:
    refusal = refuse(phase, Load(10, 10), 7)
    assert refusal is not None
    assert (refusal.status, refusal.reason, refusal.retry_after) == (503, reason, 7)


@pytest.mark.parametrize(
    ("active", "headroom", "ready"), [(0, 0, True), (9, 0, True), (10, 0, False), (7, 2, True), (8, 2, False)]
)
def test_readiness_goes_off_while_the_headroom_is_still_free(active: int, headroom: int, ready: bool) -> None:
    assert (unready(Phase.SERVING, Load(active, 10), headroom) is None) is ready


async def test_a_full_server_refuses_before_the_upgrade_and_has_room_again_when_a_stream_ends(harness) -> None:
    async with harness.serve(capacity=1, retry_after=3) as server:
        async with harness.connect(server) as first:
            with pytest.raises(InvalidStatus) as refused:
                await harness.connect(server)
            response = refused.value.response
            assert response.status_code == 503
            assert response.headers["Retry-After"] == "3"
            assert b"maximum number of simultaneous connections" in response.body
            assert (await harness.get(server, "/readyz")).status_code == 503
            await first.send(SAMPLES_60_MS)
            assert len(await harness.end(first)) == 1
        async with harness.connect(server) as second:
            assert await harness.end(second) == []
        assert (await harness.get(server, "/readyz")).status_code == 200


async def test_a_client_that_drops_its_connection_gives_its_place_back(harness) -> None:
    async with harness.serve(capacity=1) as server:
        connection = await harness.connect(server)
        await connection.send(SAMPLES_60_MS)
        connection.transport.abort()
        await harness.until(lambda: server.service.load.active == 0)
        await harness.until(server.service.emptied.is_set)


@pytest.mark.parametrize(
    "head",
    [
        "GET /asr/v0.1/stream HTTP/1.1\r\nHost: x\r\n\r\n",  # no upgrade at all
        "GET /asr/v0.1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        "GET /asr/v0.1/stream HTTP/1.1\r\n" + "X-Bomb: x\r\n" * 500 + "\r\n",
        "GET /" + "x" * 100_000 + " HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\x02\x00",
    ],
)
async def test_a_broken_handshake_takes_no_place(harness, head: str) -> None:
    async with harness.serve(capacity=1) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head.encode("latin-1"))
        writer.write_eof()
        answer = b""
        with contextlib.suppress(ConnectionResetError):  # a request that is far too long is not even answered
            answer = await asyncio.wait_for(reader.read(), 10)
        assert not answer or answer.split()[1] != b"101"
        writer.close()
        assert server.service.load.active == 0
        async with harness.connect(server) as connection:
            assert await harness.end(connection) == []


async def test_streams_are_refused_and_readiness_is_off_until_the_model_is_loaded(harness) -> None:
    async with harness.starting() as (server, engine):
        await harness.until(lambda: harness.engine.process is not None)
        harness.engine.process.send_signal(signal.SIGSTOP)
        with pytest.raises(InvalidStatus) as refused:
            await harness.connect(server)
        assert refused.value.response.status_code == 503
        assert b"loaded" in refused.value.response.body
        assert (await harness.get(server, "/healthz")).status_code == 200
        ready = await harness.get(server, "/readyz")
        assert (ready.status_code, ready.text.split(":")[0]) == (503, "loading")
        harness.engine.process.send_signal(signal.SIGCONT)
        await first(server.loaded, engine, seconds=30)
        assert (await harness.get(server, "/readyz")).status_code == 200


async def test_draining_refuses_new_streams_and_lets_live_ones_finish(harness) -> None:
    async with harness.serve() as server, harness.connect(server) as live:
        await live.send(SAMPLES_60_MS)
        drained = await harness.get(server, "/drain", "POST")
        assert drained.json() == {"phase": "draining", "active": 1, "capacity": 4096}
        with pytest.raises(InvalidStatus) as refused:
            await harness.connect(server)
        assert refused.value.response.status_code == 503
        assert "Retry-After" in refused.value.response.headers
        ready = await harness.get(server, "/readyz")
        assert (ready.status_code, ready.text.split(":")[0]) == (503, "draining")
        assert (await harness.get(server, "/healthz")).status_code == 200
        await live.send(SAMPLES_60_MS)
        assert len(await harness.end(live)) == 2
        assert live.close_code == 1000
        await asyncio.wait_for(server.service.emptied.wait(), 10)


async def test_a_server_that_stops_closes_live_streams_with_1012(harness) -> None:
    async with harness.serve() as server:
        connection = await harness.connect(server)
    with pytest.raises(ConnectionClosed):
        await connection.recv()
    assert connection.close_code == 1012


async def test_metrics_count_streams_refusals_and_frames(harness) -> None:
    async with harness.serve(capacity=1) as server:
        async with harness.connect(server) as connection:
            with pytest.raises(InvalidStatus):
                await harness.connect(server)
            with pytest.raises(InvalidStatus):
                await harness.connect(server, "/asr/v0.1/stream?lang=de")
            text = (await harness.get(server, "/metrics")).text
            assert "gharial_streams_active 1.0" in text
            assert "gharial_streams_capacity 1.0" in text
            assert "gharial_ready 0.0" in text
            assert 'gharial_refusals_total{reason="full"} 1.0' in text
            assert 'gharial_refusals_total{reason="bad_request"} 1.0' in text
            await connection.send(SAMPLES_60_MS * 5)
            assert len(await harness.end(connection)) == 5
        await harness.until(server.service.emptied.is_set)
        text = (await harness.get(server, "/metrics")).text
        assert "gharial_streams_active 0.0" in text
        assert "gharial_frame_latency_seconds_count 6.0" in text
        assert 'gharial_streams_closed_total{code="1000"} 1.0' in text
