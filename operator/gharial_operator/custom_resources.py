"""The objects that people write, pools and models, as kopf watches them.

kopf runs on a thread and an event loop of its own: there it neither takes the process' signals nor makes its end wait,
so that the lease is given back at once. Its handlers only pass on what they hear.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import Any

import kopf
from gharial_api.base import JsonObject

from gharial_operator.kinds import Kind
from gharial_operator.login import log_in

#: Seconds that kopf gets to end; nothing is lost when it does not.
PATIENCE = 1.0

Heard = Callable[[Kind, str | None, JsonObject], None]
"""Told of each event: ADDED, MODIFIED or DELETED, or None for an object of a list with which kopf begins to watch."""


class CustomResources:
    """kopf's watches of some kinds.

    Args:
        kinds: what is watched, in all namespaces; the cluster must have them.
        heard: called on the event loop of `run` for each event; events of one object within 0.1 s may come as the last.
    """

    def __init__(self, kinds: Iterable[Kind], heard: Heard) -> None:
        self._kinds = tuple(kinds)
        self._heard = heard

    async def run(self) -> None:
        """Watches until cancelled. Raises RuntimeError when kopf gives up."""
        loop = asyncio.get_running_loop()
        stop, ended = threading.Event(), asyncio.Event()
        thread = threading.Thread(target=self._watch, args=[loop, stop, ended], name="kopf", daemon=True)
        thread.start()
        try:
            await ended.wait()
            raise RuntimeError("kopf has stopped watching pools and models; its log says why")
        finally:
            stop.set()
            await asyncio.to_thread(thread.join, PATIENCE)

    def _watch(self, loop: asyncio.AbstractEventLoop, stop: threading.Event, ended: asyncio.Event) -> None:
        registry = self._registry(loop)
        try:
            asyncio.run(
                kopf.operator(
                    registry=registry, settings=watch_settings(), clusterwide=True, standalone=True, stop_flag=stop
                )
            )
        finally:
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended.set)

    def _registry(self, loop: asyncio.AbstractEventLoop) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        @kopf.on.login(registry=registry)
        async def login(**_: Any) -> kopf.ConnectionInfo:
            return log_in()

        for kind in self._kinds:
            version = kind.api_version.rpartition("/")[2]

            @kopf.on.event(kind.group, version, kind.plural, registry=registry, id=kind.plural)
            async def changed(event: kopf.RawEvent, kind: Kind = kind, **_: Any) -> None:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(self._heard, kind, event["type"], dict(event["object"]))

        return registry


def watch_settings() -> kopf.OperatorSettings:
    """kopf only watches: it posts no events, elects nobody, looks for no other kinds and keeps nothing on objects."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.watching.chunk_size = 200
    # Each object that spoke keeps a task for so long; a fleet speaks at once when it is listed.
    settings.queueing.idle_timeout = 1.0
    return settings
