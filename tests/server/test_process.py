"""`gharial serve` as a process: signals, exit statuses, the termination message, the log."""

import asyncio
import signal
from pathlib import Path

import pytest
from gharial_server.termination import MAX_BYTES, explain
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

SAMPLES_60_MS = b"\0" * 1920


async def test_sigterm_lets_live_streams_finish_refuses_new_ones_and_exits_0(harness) -> None:
    async with harness.process() as server:
        stream = await server.connect()
        async with stream as live:
            await live.send(SAMPLES_60_MS)
            server.process.send_signal(signal.SIGTERM)
            await server.log("draining")
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://127.0.0.1:{live.remote_address[1]}/asr/v0.1/stream", proxy=None)
            assert refused.value.response.status_code == 503
            await live.send(SAMPLES_60_MS)
            await live.send(b"")
            assert len([message async for message in live]) == 2
            assert live.close_code == 1000
        assert await asyncio.wait_for(server.process.wait(), 10) == 0


@pytest.mark.parametrize(("options", "signals"), [(["--drain-timeout", "0.1"], 1), ([], 2)])
async def test_the_drain_timeout_or_a_second_signal_closes_streams_with_1012_and_exits_0(
    harness, options: list[str], signals: int
) -> None:
    async with harness.process(*options) as server:
        async with await server.connect() as live:
            server.process.send_signal(signal.SIGTERM)
            await server.log("draining")
            if signals == 2:
                server.process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                await live.recv()
            assert live.close_code == 1012
            assert "send on from the last final answer" in live.close_reason
        assert await asyncio.wait_for(server.process.wait(), 10) == 0


async def test_a_port_that_is_taken_is_named_with_the_remedy(harness) -> None:
    async with harness.process() as first:
        taken = str((await first.log("started"))["http_port"])
        async with harness.process("--http-port", taken) as second:
            _, said = await asyncio.wait_for(second.process.communicate(), 30)
            assert second.process.returncode == 1
            assert f"port {taken} cannot be opened" in said.decode()
            assert "--http-port" in said.decode()


async def test_every_log_line_is_json_and_the_stream_is_named_in_it(harness) -> None:
    async with harness.process() as server:
        async with await server.connect() as live:
            name = live.response.headers["X-Gharial-Stream"]
            await live.send(SAMPLES_60_MS)
            await live.send(b"")
            assert len([message async for message in live]) == 1
        line = await server.log("stream closed")
    assert (line["stream"], line["code"], line["audio_seconds"], line["answers"]) == (name, 1000, 0.06, 1)


def test_the_reason_of_an_exit_reaches_the_termination_log(tmp_path: Path) -> None:
    path = tmp_path / "termination-log"
    path.touch()
    with pytest.raises(RuntimeError), explain(path):
        raise RuntimeError("ChecksumMismatch: " + "x" * 10_000)
    assert path.read_text().startswith("ChecksumMismatch: ")
    assert path.stat().st_size == MAX_BYTES


def test_outside_a_container_no_termination_log_is_made(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), explain(tmp_path / "termination-log"):
        raise RuntimeError("x")
    assert list(tmp_path.iterdir()) == []
