"""Which objects wait to be reconciled: each at most once in the queue, never twice at a time, later again on errors."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gharial_operator.metrics import QUEUE_LENGTH

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 60.0


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
    """

    def __init__(self) -> None:
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._alarms: dict[Key, asyncio.TimerHandle] = {}
        self._known: set[Key] = set()

    def wake(self, key: Key) -> None:
        """Puts an object into the queue, unless it already is there."""
        self._known.add(key)
        alarm = self._alarms.pop(key, None)
        if alarm is not None:
            alarm.cancel()
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)
            QUEUE_LENGTH.set(len(self._waiting))

    def wake_kind(self, kind: str) -> None:
        """Wakes every object of a kind that was woken before and has not been forgotten."""
        for key in [key for key in self._known if key.kind == kind]:
            self.wake(key)

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._known.discard(key)

    def wake_after(self, key: Key, seconds: float) -> None:
        """Wakes an object later, or sooner when something else wakes it."""
        if key in self._waiting:
            return
        alarm = self._alarms.pop(key, None)
        if alarm is not None:
            alarm.cancel()
        self._alarms[key] = asyncio.get_running_loop().call_later(seconds, self.wake, key)

    async def work(self, reconcile: Reconciler) -> None:
        """One worker: takes objects from the queue until cancelled."""
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._running.add(key)
            QUEUE_LENGTH.set(len(self._waiting))
            try:
                delay = await reconcile(key)
                self._failures.pop(key, None)
            except Exception as error:  # one object's trouble must not stop the others
                failures = self._failures[key] = self._failures.get(key, 0) + 1
                delay = min(FIRST_RETRY_SECONDS * 2 ** (failures - 1), LAST_RETRY_SECONDS)
                log.warning("%s %s: %s; again in %.1f s", key.kind, key.name, error, delay)
            finally:
                self._running.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.wake(key)
            elif delay is not None:
                self.wake_after(key, delay)
