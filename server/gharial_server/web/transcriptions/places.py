"""How many transcriptions there may be at once: a few that are decoded, a few more that wait for that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gharial_server.web.transcriptions.errors import ApiError

# Requests that wait for each one that is decoded: their files are on disk meanwhile.
QUEUED_PER_PLACE = 4


class Places:
    """Counts requests; everything happens on one event loop."""

    def __init__(self, decoded_at_once: int, retry_after: int) -> None:
        self._most = decoded_at_once * (1 + QUEUED_PER_PLACE)
        self._retry_after = retry_after
        self._requests = 0
        self._turns = asyncio.Semaphore(decoded_at_once)

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """A request that may send its file. Raises ApiError (503) when too many have."""
        if self._requests >= self._most:
            message = f"{self._most} transcriptions are under way or wait; try again later"
            raise ApiError(503, "queue_full", message, retry_after=self._retry_after)
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits until a recording may be decoded."""
        async with self._turns:
            yield
