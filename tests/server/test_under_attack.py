"""Good streams beside clients that mean harm: they are answered as before, and memory stays bounded."""

import asyncio
import contextlib
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import hostile_clients
from websockets.asyncio.client import ClientConnection, connect

SAMPLES_60_MS = b"\0" * 1920
GOOD_STREAMS = 20
FRAMES = 20
# How much later than without the attack the slowest hundredth of answers may come. A server that an attack gets hold of
# is late by seconds.
FACTOR, SLACK_SECONDS = 3.0, 0.15
MOST_GROWTH_BYTES = 96 << 20


async def latencies(streams: list[ClientConnection]) -> list[float]:
    """Seconds from a frame's sending to its answer, at the pace of speech."""

    async def play(stream: ClientConnection, phase: float) -> list[float]:
        await asyncio.sleep(phase)
        took, due = [], time.monotonic()
        for _ in range(FRAMES):
            due += 0.06
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            sent = time.monotonic()
            await stream.send(SAMPLES_60_MS)
            assert json.loads(await asyncio.wait_for(stream.recv(), 20))["is_provisional"] is False
            took.append(time.monotonic() - sent)
        return took

    played = await asyncio.gather(*(play(each, 0.06 * n / GOOD_STREAMS) for n, each in enumerate(streams)))
    return [seconds for each in played for seconds in each]


def p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]


def memory(server: Any) -> int:
    """Resident bytes of front end and engine."""
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 for pid in server.pids.values())


@contextlib.asynccontextmanager
async def attacked(attack: str, port: str) -> AsyncIterator[None]:
    """An attack that is under way."""
    attacker = await asyncio.create_subprocess_exec(
        sys.executable, hostile_clients.__file__, attack, port, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert attacker.stdout is not None
        await asyncio.wait_for(attacker.stdout.readline(), 30)
        assert attacker.returncode is None
        yield
        assert attacker.returncode is None, "the attack has ended before the measurement"
    finally:
        with contextlib.suppress(ProcessLookupError):
            attacker.kill()
        await attacker.wait()


async def test_attacks_neither_delay_other_streams_nor_fill_memory(harness) -> None:
    async with harness.process() as server, contextlib.AsyncExitStack() as stack:
        url, _ = await server.ready()
        draining = asyncio.create_task(server.process.stderr.read())  # or its log would fill the pipe
        stack.callback(draining.cancel)
        dialled = [connect(url, proxy=None, compression=None) for _ in range(GOOD_STREAMS)]
        streams = [await stack.enter_async_context(each) for each in dialled]
        await latencies(streams[:5])  # the first messages of a process touch memory for the first time
        held, harm = memory(server), {}
        for attack in hostile_clients.ATTACKS:
            before = p99(await latencies(streams))
            async with attacked(attack, url.split(":")[2].split("/")[0]):
                during = p99(await latencies(streams))
                grown = memory(server) - held
            print(f"{attack}: p99 {before * 1000:.0f} -> {during * 1000:.0f} ms, memory grew by {grown >> 20} MiB")
            if during > FACTOR * before + SLACK_SECONDS or grown > MOST_GROWTH_BYTES:
                harm[attack] = (before, during, grown)
        assert not harm
