"""A collection of the API server's objects, kept in memory by list and watch."""

import logging
import threading
from collections.abc import Callable

from gharial_kube.client import JsonObject, Kube, KubeError

log = logging.getLogger(__name__)


class Mirror:
    """Watches in a thread of its own; `on_change` is called after each change."""

    def __init__(self, kube: Kube, path: str, on_change: Callable[[], None], **query: str) -> None:
        self._kube = kube
        self._path = path
        self._query = query
        self._on_change = on_change
        self._lock = threading.Lock()
        self._objects: dict[str, JsonObject] = {}
        self._stopped = threading.Event()
        self.synced = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)

    def start(self) -> None:
        """Begins to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the watch with its next event, or with the process."""
        self._stopped.set()

    def objects(self) -> dict[str, JsonObject]:
        """The objects by name, as last seen."""
        with self._lock:
            return dict(self._objects)

    def note(self, changed: JsonObject) -> None:
        """Puts the answer to one's own write in, so that it is not seen late."""
        with self._lock:
            self._objects[changed["metadata"]["name"]] = changed

    def _run(self) -> None:
        pause = 1.0
        while not self._stopped.is_set():
            try:
                self._follow(self._list())
                pause = 1.0
            except (KubeError, ValueError, KeyError) as error:
                log.warning("watching %s: %s", self._path, error)
                self._stopped.wait(pause)
                pause = min(pause * 2, 30.0)

    def _list(self) -> str:
        answer = self._kube.get(self._path, **self._query)
        with self._lock:
            self._objects = {item["metadata"]["name"]: item for item in answer.get("items") or []}
        self.synced.set()
        self._on_change()
        return str(answer["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> None:
        for event in self._kube.watch(self._path, version, self._stopped, **self._query):
            changed = event["object"]
            if event["type"] == "ERROR":
                return  # too old a version: list again
            with self._lock:
                if event["type"] == "DELETED":
                    self._objects.pop(changed["metadata"]["name"], None)
                elif event["type"] in {"ADDED", "MODIFIED"}:
                    self._objects[changed["metadata"]["name"]] = changed
            self._on_change()
