"""Which objects wait to be reconciled: each at most once in the queue, never twice at a time, later again on errors."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gharial_api import names

from gharial_operator.metrics import QUEUE_LENGTH

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 60.0
LONGEST_REST_SECONDS = 1.0

#: Who goes first: a pool decides for all its cards, and must not wait for a thousand models.
_TURNS = {names.POOL_KIND: 0}


@dataclass(frozen=True)
class Key:
    """An object to reconcile."""

    kind: str
    name: str
    namespace: str | None = None


#: Reconciles one object and returns after how many seconds to look again, or None for "when something happens".
Reconciler = Callable[[Key], Awaitable[float | None]]


class WorkQueue:
    """Any event only wakes an object; what is to be done is found out by looking.

    An object woken while it is being reconciled is reconciled once more afterwards. It all happens on one event loop.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._resting: dict[Key, float] = {}
        self._ready: asyncio.PriorityQueue[tuple[int, int, Key]] = asyncio.PriorityQueue()
        self._turn = 0
        self._waiting: set[Key] = set()
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._alarms: dict[Key, asyncio.TimerHandle] = {}
        self._known: defaultdict[str, set[Key]] = defaultdict(set)

    def wake(self, key: Key) -> None:
        """Puts an object into the queue, unless it already is there."""
        self._known[key.kind].add(key)
        if key in self._running:
            self._again.add(key)
            return
        rest = self._resting.get(key, 0.0) - self._clock()
        if rest > 0:
            self.wake_after(key, rest)
            return
        alarm = self._alarms.pop(key, None)
        if alarm is not None:
            alarm.cancel()
        if key not in self._waiting:
            self._waiting.add(key)
            self._turn += 1
            self._ready.put_nowait((_TURNS.get(key.kind, 1), self._turn, key))
            QUEUE_LENGTH.set(len(self._waiting))

    def wake_kind(self, kind: str) -> None:
        """Wakes every object of a kind that was woken before and has not been forgotten."""
        for key in list(self._known[kind]):
            self.wake(key)

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._known[key.kind].discard(key)

    def wake_after(self, key: Key, seconds: float) -> None:
        """Wakes an object later, or sooner when something else wakes it."""
        if key in self._waiting:
            return
        alarm = self._alarms.pop(key, None)
        if alarm is not None:
            alarm.cancel()
        self._alarms[key] = asyncio.get_running_loop().call_later(seconds, self.wake, key)

    def _rest(self, key: Key, took: float) -> None:
        """What took long is not done again at once: in a storm of events at most half of the time goes into it."""
        if key in self._known[key.kind]:
            self._resting[key] = self._clock() + min(took, LONGEST_REST_SECONDS)
        else:
            self._resting.pop(key, None)

    async def work(self, reconcile: Reconciler) -> None:
        """One worker: takes objects from the queue until cancelled."""
        while True:
            _, _, key = await self._ready.get()
            self._waiting.discard(key)
            self._running.add(key)
            QUEUE_LENGTH.set(len(self._waiting))
            began = self._clock()
            try:
                delay = await reconcile(key)
                self._failures.pop(key, None)
            except Exception as error:  # one object's trouble must not stop the others
                failures = self._failures[key] = self._failures.get(key, 0) + 1
                delay = min(FIRST_RETRY_SECONDS * 2 ** (failures - 1), LAST_RETRY_SECONDS)
                log.warning("%s %s: %s; again in %.1f s", key.kind, key.name, error, delay)
            finally:
                self._running.discard(key)
                self._rest(key, self._clock() - began)
            if key in self._again:
                self._again.discard(key)
                self.wake(key)
            elif delay is not None:
                self.wake_after(key, delay)
