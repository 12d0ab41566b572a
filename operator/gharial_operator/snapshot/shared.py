"""What many reconciliations share: a thousand models on one pool look at its cards once, not a thousand times.

What is shared may be seconds old. That is safe for models: a pool's change is noticed by the pool's own reconciliation,
which looks afresh, clears what is shared and only then wakes the models.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")

#: How long it may be shared, in seconds.
CLUSTER_SECONDS = 2.0


class SharedReads:
    """Results by key, each read at most once at a time.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reads: dict[str, tuple[float, asyncio.Future[Any]]] = {}

    async def read(self, key: str, load: Callable[[], Awaitable[T]], seconds: float = CLUSTER_SECONDS) -> T:
        """The value under a key: shared when it is young enough, else loaded. Later readers never get a failure."""
        found = self._reads.get(key)
        if found is None or self._clock() - found[0] > seconds or _failed(found[1]):
            found = (self._clock(), asyncio.ensure_future(load()))
            self._reads[key] = found
        # Whoever is cancelled while waiting must not take the read from the others.
        return cast(T, await asyncio.shield(found[1]))

    def clear(self) -> None:
        """Forgets everything; reads under way are not given to anybody who asks from now on."""
        self._reads.clear()


def _failed(read: asyncio.Future[Any]) -> bool:
    return read.done() and (read.cancelled() or read.exception() is not None)
