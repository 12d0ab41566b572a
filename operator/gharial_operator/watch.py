"""Watches feed the store, and what changes there wakes whom it concerns.

Pools and models, which people write, are watched by kopf; what controllers and agents write is watched here. The store
must know what has gone. kopf says nothing of that when a break was so long that it has to list anew, so its kinds are
listed here too: at first, whenever kopf has listed, and now and then.
"""

import asyncio
import json
import logging
import random
from typing import Any

import aiohttp
from gharial_api.base import JsonObject

from gharial_operator.api_client import ApiClient, ApiError
from gharial_operator.custom_resources import CustomResources
from gharial_operator.handlers import handle
from gharial_operator.kinds import OPTIONAL, Kind
from gharial_operator.seen import AnyView, Seen
from gharial_operator.snapshot import views
from gharial_operator.store import Store
from gharial_operator.work_queue import WorkQueue

log = logging.getLogger(__name__)

#: A watch is asked to end after about this many seconds, so that one whose other end silently went does not last.
WATCH_SECONDS = 300
#: A kind that the cluster lacks is looked for again after so many seconds.
ABSENT_SECONDS = 30.0
#: Between two watches, should the API server end one after the other at once.
_PAUSE_SECONDS = 0.2
#: Kinds that kopf watches are listed once more after kopf has begun, and then so often, whatever kopf says.
KOPF_FIRST_SECONDS = 10.0
KOPF_SWEEP_SECONDS = 600.0
#: A list that kopf has begun to tell is waited for.
_KOPF_LIST_SECONDS = 1.0
_FIRST_RETRY_SECONDS = 0.5
_LAST_RETRY_SECONDS = 30.0

#: Answers after which a watch may go on where it was.
_BUSY = frozenset({429, 503})


class ExpiredError(Exception):
    """The API server no longer knows what happened since that resource version: list anew."""


class Watches:
    """Keeps a store up to date.

    Args:
        client: the API server.
        queue: whose objects changes wake.
    """

    def __init__(self, client: ApiClient, queue: WorkQueue) -> None:
        self._client = client
        self._queue = queue
        self.store = Store(self._changed)
        self._waiting = {view.kind for view in views.ALL}
        self._complete = asyncio.Event()
        self._by_kopf = {view.kind: view for view in (views.POOLS, views.MODELS)}
        #: Set when kopf tells of objects that it has listed, not of changes.
        self._kopf_listed = {kind: asyncio.Event() for kind in self._by_kopf}
        self._kopf_may_begin = asyncio.Event()

    @property
    def complete(self) -> bool:
        """Whether the store holds all there is."""
        return self._complete.is_set()

    async def wait(self) -> None:
        """Returns when the store holds all there is."""
        await self._complete.wait()

    async def run(self) -> None:
        """Lists and watches until cancelled."""
        async with asyncio.TaskGroup() as group:
            for view in views.ALL:
                group.create_task(self._follow(view))
            group.create_task(self._kopf())

    async def _kopf(self) -> None:
        """kopf finds only kinds that the cluster has when it begins."""
        await self._kopf_may_begin.wait()
        await CustomResources(self._by_kopf, self._heard).run()

    def _heard(self, kind: Kind, event: str | None, live: JsonObject) -> None:
        """An event of kopf's."""
        view = self._by_kopf[kind]
        if event == "DELETED":
            self.store.remove(view, live)
        else:
            self.store.put(view, live)
        if event is None:
            self._kopf_listed[kind].set()

    async def _gap(self, kind: Kind, seconds: float) -> None:
        """Returns when kopf may have missed that something went."""
        listed = self._kopf_listed[kind]
        try:
            await asyncio.wait_for(listed.wait(), seconds)
            await asyncio.sleep(_KOPF_LIST_SECONDS)
        except TimeoutError:
            pass
        listed.clear()

    def _changed(self, kind: Kind, before: Seen[Any] | None, after: Seen[Any] | None) -> None:
        handle(self._queue, kind, before, after)

    async def _follow(self, view: AnyView) -> None:
        """Lists, then watches from there; lists again when that is the only way to know what has gone."""
        version, retry, sweep = "", _FIRST_RETRY_SECONDS, KOPF_FIRST_SECONDS
        while True:
            try:
                version = version or await self._list(view)
                if view.kind in self._by_kopf:
                    await self._gap(view.kind, sweep)
                    version, sweep = "", KOPF_SWEEP_SECONDS
                else:
                    version = await self._watch(view, version)
                retry = _FIRST_RETRY_SECONDS
                await asyncio.sleep(_PAUSE_SECONDS)
            except ExpiredError:
                version = ""
            except (ApiError, OSError, TimeoutError, aiohttp.ClientError, ValueError) as error:
                if isinstance(error, ApiError) and error.status == 404:
                    version = ""
                    self._lacks(view)
                    await asyncio.sleep(ABSENT_SECONDS)
                    continue
                if isinstance(error, ApiError) and error.status not in _BUSY:
                    version = ""
                log.warning(
                    "%s: not watched, again in %.1f s: %s", view.kind.plural, retry, error or type(error).__name__
                )
                await asyncio.sleep(retry * random.uniform(0.5, 1.0))
                retry = min(2 * retry, _LAST_RETRY_SECONDS)

    async def _list(self, view: AnyView) -> str:
        """Reads all there is into the store; returns as of which resource version."""
        seen, version = [], ""
        async for page in self._client.answers(view.kind, selector=view.label):
            version = version or page["metadata"]["resourceVersion"]
            for item in page.get("items") or []:
                # Items of a list of built-in kinds do not say what they are.
                seen.append(view.see({"apiVersion": view.kind.api_version, "kind": view.kind.kind, **item}))
            await asyncio.sleep(0)
        self.store.replace(view, seen, int(version))
        self._has(view, True)
        return version

    async def _watch(self, view: AnyView, version: str) -> str:
        """Follows events until the watch ends; returns up to which resource version they went."""
        params = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(int(WATCH_SECONDS * random.uniform(0.8, 1.2))),
        }
        if view.label:
            params["labelSelector"] = view.label
        async for line in self._client.lines(view.kind.path(), params, 2 * WATCH_SECONDS):
            event: JsonObject = json.loads(line)
            live = event["object"]
            match event["type"]:
                case "ADDED" | "MODIFIED":
                    self.store.put(view, live)
                case "DELETED":
                    self.store.remove(view, live)
                case "ERROR":
                    if live.get("code") == 410:
                        raise ExpiredError
                    raise ApiError(live.get("code", 0), live.get("reason", ""), live.get("message", ""))
            version = live["metadata"]["resourceVersion"]
        return version

    def _lacks(self, view: AnyView) -> None:
        """The cluster does not have the kind (any more)."""
        self.store.replace(view, (), 2**63)
        self._has(view, False)

    def _has(self, view: AnyView, served: bool) -> None:
        if self.store.serves(view, served) and view.kind in OPTIONAL:
            self._queue.wake_kind("AsrModel")
        self._waiting.discard(view.kind)
        if not self._waiting:
            self._complete.set()
        if all(self.store.has(kind) for kind in self._by_kopf):
            self._kopf_may_begin.set()
