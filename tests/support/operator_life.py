"""The operator in this process, without its watches: it can be made to die after any of its writes."""

import asyncio
from collections.abc import Awaitable, Callable

from gharial_operator.api_client import ApiClient
from gharial_operator.apply import Writer
from gharial_operator.config import OperatorConfig
from gharial_operator.context import Context
from gharial_operator.snapshot.reads import ApiReads
from gharial_operator.work_queue import WorkQueue

Look = Callable[[Context], Awaitable[object]]
"""Looks at some objects once, and writes what is to be written."""


class KilledError(BaseException):
    """Stands for the end of the process: nothing in the operator catches it."""


def live_until_write(number: int, look: Look) -> bool:
    """One life of the operator: looks until nothing is left to write.

    Ends right after its `number`-th write (-1: never), and says whether it got that far. Nothing is carried from one
    life to the next but what the API server holds.
    """
    return asyncio.run(_live(number, look))


async def _live(number: int, look: Look) -> bool:
    left = number

    def fuse() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KilledError

    async with ApiClient() as client:
        context = Context.of(OperatorConfig(), client, Writer(client, fuse), WorkQueue(), ApiReads(client))
        try:
            while True:
                before = left
                await look(context)
                if left == before:
                    return False
        except KilledError:
            return True
