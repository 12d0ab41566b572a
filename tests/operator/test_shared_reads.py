"""Reads that many reconciliations share."""

import asyncio

import pytest
from gharial_operator.snapshot.shared import SharedReads


def test_many_readers_at_a_time_share_one_read_until_it_is_too_old_or_cleared() -> None:
    now, loads = 0.0, 0

    async def load() -> int:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0)
        return loads

    async def scene() -> None:
        nonlocal now
        shared = SharedReads(lambda: now)
        assert await asyncio.gather(*(shared.read("a", load, 2.0) for _ in range(5))) == [1] * 5
        now = 1.9
        assert await shared.read("a", load, 2.0) == 1
        now = 2.1
        assert await shared.read("a", load, 2.0) == 2
        shared.clear()
        assert await shared.read("a", load, 2.0) == 3

    asyncio.run(scene())


def test_a_failed_read_is_tried_again_by_the_next_reader() -> None:
    async def fail() -> int:
        raise OSError("the API server is away")

    async def load() -> int:
        return 1

    async def scene() -> None:
        shared = SharedReads(lambda: 0.0)
        with pytest.raises(OSError, match="away"):
            await shared.read("a", fail)
        assert await shared.read("a", load) == 1

    asyncio.run(scene())


def test_a_reader_that_is_cancelled_takes_the_read_from_nobody() -> None:
    async def scene() -> None:
        gate = asyncio.Event()

        async def load() -> int:
            await gate.wait()
            return 1

        shared = SharedReads(lambda: 0.0)
        first = asyncio.create_task(shared.read("a", load))
        second = asyncio.create_task(shared.read("a", load))
        await asyncio.sleep(0)
        first.cancel()
        gate.set()
        assert await second == 1

    asyncio.run(scene())
