"""kill -9 of engine, front end and parent: clients are told, the server comes back, nothing is left over."""

import asyncio
import os
import signal
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

SAMPLES_60_MS = b"\0" * 1920


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def until_gone(*pids: int) -> None:
    async with asyncio.timeout(20):
        while any(map(is_alive, pids)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def until_open_files(pid: int, number: int) -> None:
    async with asyncio.timeout(20):
        while open_files(pid) != number:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def until_ready(port: int) -> None:
    async with asyncio.timeout(30), httpx.AsyncClient(timeout=30) as client:
        while not (await client.get(f"http://127.0.0.1:{port}/readyz")).is_success:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def metric(port: int, name: str) -> float:
    async with httpx.AsyncClient(timeout=30) as client:
        text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    (line,) = (line for line in text.splitlines() if line.startswith(f"{name} "))
    return float(line.split()[1])


async def closed_with(connection: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed):
        async with asyncio.timeout(20):
            while True:
                await connection.recv()
    assert connection.close_code is not None
    return connection.close_code


async def test_streams_of_a_killed_engine_are_closed_with_1011_and_the_next_engine_serves_soon(harness) -> None:
    async with harness.process("--capacity", "2") as server:
        url, http_port = await server.ready()
        front, files = server.pids["front"], open_files(server.pids["front"])
        async with connect(url, proxy=None) as one, connect(url, proxy=None) as other:
            for stream in (one, other):
                await stream.send(SAMPLES_60_MS)
                await stream.recv()
            os.kill(server.pids["engine"], signal.SIGKILL)
            assert [await closed_with(stream) for stream in (one, other)] == [1011, 1011]
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, proxy=None)
        assert refused.value.response.status_code == 503
        assert "Retry-After" in refused.value.response.headers
        await until_ready(http_port)
        await server.log("ready")
        assert await metric(http_port, "gharial_streams_active") == 0
        parts = [
            await metric(http_port, f'gharial_process_resident_memory_bytes{{process="{part}"}}')
            for part in ("front", "engine")
        ]
        assert all(parts)
        assert await metric(http_port, "process_resident_memory_bytes") > max(parts)
        async with connect(url, proxy=None) as one, connect(url, proxy=None) as other:
            for stream in (one, other):
                await stream.send(SAMPLES_60_MS)
                await stream.send(b"")
                assert len([answer async for answer in stream]) == 1
        assert sorted(children(server.process.pid)) == sorted((front, server.pids["engine"]))
        await until_open_files(front, files)


async def test_a_killed_front_end_comes_back_on_its_ports_with_every_place_free_and_the_same_engine(harness) -> None:
    async with harness.process("--capacity", "2") as server:
        url, http_port = await server.ready()
        engine, front = server.pids["engine"], server.pids["front"]
        files = open_files(engine), open_files(server.process.pid)
        async with connect(url, proxy=None) as one, connect(url, proxy=None) as other:
            await one.send(SAMPLES_60_MS)
            os.kill(front, signal.SIGKILL)
            assert [await closed_with(stream) for stream in (one, other)] == [1006, 1006]
        # The port was never closed: whoever connects meanwhile waits for the next front end.
        await until_ready(http_port)
        async with connect(url, proxy=None) as one, connect(url, proxy=None) as other:
            for stream in (one, other):
                await stream.send(SAMPLES_60_MS)
                await stream.send(b"")
                assert len([answer async for answer in stream]) == 1
        await server.log("ready")
        assert server.pids["engine"] == engine
        assert server.pids["front"] != front
        assert sorted(children(server.process.pid)) == sorted((engine, server.pids["front"]))
        await until_open_files(engine, files[0])
        await until_open_files(server.process.pid, files[1])


async def test_an_engine_that_dies_again_and_again_ends_the_server_with_the_reason(harness) -> None:
    async with harness.process() as server:
        await server.ready()
        for death in range(3):
            os.kill(server.pids["engine"], signal.SIGKILL)
            if death < 2:
                await server.log("ready")
        _, said = await asyncio.wait_for(server.process.communicate(), 30)
        assert server.process.returncode == 1
        assert "EngineFailed: it has stopped 3 times within a minute: it was killed by signal 9" in said.decode()
        await until_gone(*server.pids.values())


async def test_an_engine_killed_while_it_loads_ends_the_server(harness) -> None:
    async with harness.process() as server:
        await server.log("process started")
        while "engine" not in server.pids:
            await server.log("process started")
        os.kill(server.pids["engine"], signal.SIGKILL)
        _, said = await asyncio.wait_for(server.process.communicate(), 30)
        assert server.process.returncode == 1
        assert "it was killed by signal 9" in said.decode()


async def test_nothing_outlives_a_killed_parent(harness) -> None:
    async with harness.process() as server:
        url, _ = await server.ready()
        async with connect(url, proxy=None) as stream:
            await stream.send(SAMPLES_60_MS)
            server.process.kill()
            assert await closed_with(stream) == 1012
        await until_gone(*server.pids.values())


async def test_an_engine_that_lives_but_says_nothing_is_ended_and_the_next_one_serves(harness) -> None:
    async with harness.serve(silence=0.3) as server:
        async with harness.connect(server) as connection:
            await connection.send(SAMPLES_60_MS)
            await connection.recv()
            await asyncio.sleep(0.7)  # nobody waits for it: that is no silence
            assert server.service.unready is None
            harness.engine.process.send_signal(signal.SIGSTOP)
            await connection.send(SAMPLES_60_MS)
            assert await closed_with(connection) == 1011
        await harness.until(lambda: server.service.unready is None, 30)
        async with harness.connect(server) as connection:
            await connection.send(SAMPLES_60_MS)
            assert len(await harness.end(connection)) == 1
