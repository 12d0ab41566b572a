"""kopf's watches, on a thread and an event loop of their own; all they do is wake objects.

On its own loop kopf neither takes the process' signals nor makes its end wait, so that the lease is given back at once.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import kopf

from gharial_operator.api_client import credentials
from gharial_operator.changes import Changes
from gharial_operator.work_queue import Key, WorkQueue

log = logging.getLogger(__name__)

#: Seconds that the watches get to end; nothing is lost when they do not.
PATIENCE = 1.0


@dataclass(frozen=True)
class Waker:
    """What handlers may do: wake objects on the operator's event loop."""

    loop: asyncio.AbstractEventLoop
    queue: WorkQueue
    changes: Changes = field(default_factory=Changes)

    def wake(self, key: Key) -> None:
        """Wakes one object."""
        self.loop.call_soon_threadsafe(self.queue.wake, key)

    def wake_kind(self, kind: str) -> None:
        """Wakes every known object of a kind."""
        self.loop.call_soon_threadsafe(self.queue.wake_kind, kind)


class Watches:
    """The thread with kopf in it.

    Args:
        waker: given to every handler as `memo`.
        registry, settings: kopf's.
        on_end: called on the waker's loop when watching has ended, for whatever reason.
    """

    def __init__(
        self,
        waker: Waker,
        registry: kopf.OperatorRegistry,
        settings: kopf.OperatorSettings,
        on_end: Callable[[], None],
    ) -> None:
        self._waker = waker
        self._registry = registry
        self._settings = settings
        self._on_end = on_end
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watches", daemon=True)

    @property
    def ready(self) -> bool:
        """Whether the watches have begun."""
        return self._ready.is_set()

    def start(self) -> None:
        """Begins to watch."""
        self._thread.start()

    async def stop(self) -> None:
        """Ends the watches, without waiting for long."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join, PATIENCE)

    def _run(self) -> None:
        kopf.on.login(registry=self._registry)(_login)
        try:
            asyncio.run(
                kopf.operator(
                    registry=self._registry,
                    settings=self._settings,
                    clusterwide=True,
                    standalone=True,
                    stop_flag=self._stop,
                    ready_flag=self._ready,
                    memo=self._waker,
                )
            )
        except Exception:
            log.exception("watching failed")
        finally:
            if not self._waker.loop.is_closed():
                self._waker.loop.call_soon_threadsafe(self._on_end)


async def _login(settings: kopf.OperatorSettings, **_: Any) -> kopf.ConnectionInfo:
    return credentials(settings)
