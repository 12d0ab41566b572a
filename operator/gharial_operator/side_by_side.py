"""A few of many things at a time."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def side_by_side(jobs: Iterable[Coroutine[Any, Any, T]], at_a_time: int) -> list[T]:
    """What the jobs return, in the order in which they end; they begin in theirs.

    When one fails, those under way are cancelled, none is begun any more, and its error is raised.
    """
    found: list[T] = []
    waiting = iter(jobs)

    async def work() -> None:
        for job in waiting:
            found.append(await job)

    workers = [asyncio.create_task(work()) for _ in range(at_a_time)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return found
