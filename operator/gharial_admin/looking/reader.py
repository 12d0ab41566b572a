"""Reads a cluster in parallel within a time limit, and goes on where it is refused."""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gharial_api import names
from gharial_api.base import JsonObject
from gharial_kube.client import Kube, KubeError

from gharial_admin.looking.sights import Sight
from gharial_admin.looking.snapshot import Gap

#: A list is read in pages of so many objects.
PAGE = 500
#: More of one kind than this are not read: memory stays bounded.
MOST = 20_000
WORKERS = 8

Job = Callable[[], None]


def run_all(jobs: Iterable[Job], deadline: float) -> bool:
    """Runs jobs side by side until the deadline (monotonic seconds); says whether all have ended.

    A job that hangs is left behind: its thread ends with the process.
    """
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    count = 0
    for job in jobs:
        waiting.put(job)
        count += 1
    ended = threading.Semaphore(0)

    def work() -> None:
        while time.monotonic() < deadline:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                job()
            finally:
                ended.release()

    for _ in range(min(WORKERS, count)):
        threading.Thread(target=work, daemon=True).start()
    return all(ended.acquire(timeout=max(0.0, deadline - time.monotonic())) for _ in range(count))


@dataclass
class Reader:
    """Collects objects and gaps. fallback: namespaces to look into where the whole cluster is forbidden."""

    kube: Kube
    deadline: float
    fallback: tuple[str, ...] = ()
    objects: dict[str, list[JsonObject]] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    gaps: list[Gap] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, sights: Iterable[Sight]) -> None:
        """Reads all of them; what is not there in time becomes a gap."""
        wanted = list(sights)
        open_ones = {id(sight): sight for sight in wanted}

        def job(sight: Sight) -> Job:
            def run() -> None:
                self._read(sight)
                open_ones.pop(id(sight), None)

            return run

        if not run_all([job(sight) for sight in wanted], self.deadline):
            for sight in list(open_ones.values()):
                self._miss(sight, "the API server did not answer in time")

    def _read(self, sight: Sight) -> None:
        try:
            if sight.single:
                self._keep(sight, [found for name in sight.single if (found := self._one(sight, name))])
            elif sight.namespaces:
                self._spaces(sight, sight.namespaces)
            else:
                self._keep(sight, self._list(sight, ""))
        except KubeError as error:
            if error.status == 404:
                self._lacks(sight)
            elif error.status == 403 and sight.namespaced and self.fallback and not sight.namespaces:
                self._spaces(sight, self.fallback, error)
            else:
                self._miss(sight, str(error), error.status == 403)

    def _spaces(self, sight: Sight, namespaces: tuple[str, ...], before: KubeError | None = None) -> None:
        """Namespace by namespace; after a refusal for the whole cluster that is the gap."""
        refused = before
        for namespace in dict.fromkeys(namespaces):
            try:
                self._keep(sight, self._list(sight, namespace))
            except KubeError as error:
                if error.status == 404:
                    continue
                refused = refused or error
        if refused is not None:
            self._miss(sight, str(refused), refused.status == 403)

    def _one(self, sight: Sight, name: str) -> JsonObject | None:
        try:
            return self.kube.get(f"{sight.root}/{sight.plural}/{name}")
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    def _list(self, sight: Sight, namespace: str) -> list[JsonObject]:
        where = f"/namespaces/{namespace}" if namespace else ""
        query = {"limit": str(PAGE)}
        query |= {"labelSelector": sight.label} if sight.label else {}
        query |= {"fieldSelector": sight.field} if sight.field else {}
        ask = self.kube.list_names if sight.names_alone else self.kube.get
        found: list[JsonObject] = []
        while len(found) < MOST and time.monotonic() < self.deadline:
            answer = ask(f"{sight.root}{where}/{sight.plural}", **query)
            found += [trimmed(each) for each in answer.get("items") or []]
            token = answer.get("metadata", {}).get("continue")
            if not token:
                break
            query["continue"] = str(token)
        return found

    def _keep(self, sight: Sight, found: list[JsonObject]) -> None:
        with self._lock:
            self.objects.setdefault(sight.plural, []).extend(found)

    def _lacks(self, sight: Sight) -> None:
        with self._lock:
            self.absent.add(sight.plural)

    def _miss(self, sight: Sight, why: str, forbidden: bool = False) -> None:
        if sight.quiet:
            return
        group = sight.root.split("/")[2] if sight.root.startswith("/apis/") else ""
        right = f"list {sight.plural}{f'.{group}' if group else ''}" if forbidden else ""
        gap = Gap(sight.plural, "you may not read them" if forbidden else why, right)
        with self._lock:
            if gap not in self.gaps:
                self.gaps.append(gap)


def trimmed(found: JsonObject) -> JsonObject:
    """The object without what only costs memory."""
    metadata = dict(found.get("metadata") or {})
    if not str(found.get("apiVersion", "")).startswith(names.GROUP):  # of ours they tell when the spec was written
        metadata.pop("managedFields", None)
    small = {**found, "metadata": metadata}
    status = found.get("status")
    if isinstance(status, dict) and "images" in status:
        small["status"] = {key: value for key, value in status.items() if key not in {"images", "volumesAttached"}}
    return small
