"""What the API server holds, as its watches tell it: every read of a reconciliation is served from here.

An object only ever gets newer: resource versions of one kind are compared as numbers, as Kubernetes has promised since
1.35. An answer to a write of ours is noted like an event, so that no decision is made from before our own last write.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from gharial_api import names
from gharial_api.base import JsonObject

from gharial_operator import kinds
from gharial_operator.kinds import Kind
from gharial_operator.seen import AnyView, Seen, View
from gharial_operator.snapshot import views

T = TypeVar("T")

#: An object as it was and as it is; None where there was, or is, none.
Listener = Callable[[Kind, Seen[Any] | None, Seen[Any] | None], None]
#: A version that no object comes to.
_NEVER = 2**63
#: So many of the objects that went last are remembered.
_REMEMBERED = 10_000
_Place = tuple[str | None, str]


class Store:
    """Objects by kind and name.

    Args:
        on_change: told of every change, after it.
    """

    def __init__(self, on_change: Listener) -> None:
        self._on_change = on_change
        self._views: dict[tuple[str, str], AnyView] = {(v.kind.api_version, v.kind.kind): v for v in views.ALL}
        self._objects: dict[Kind, dict[_Place, Seen[Any]]] = {view.kind: {} for view in views.ALL}
        #: Pods by namespace and model: a model must not look through those of all others.
        self._pods: dict[_Place, dict[str, Seen[Any]]] = {}
        #: Up to which version each uid is known to have gone: an answer may come after the event that outdates it.
        self._gone: dict[str, int] = {}
        self._served: set[str] = set()
        #: As of which resource version each kind was last listed.
        self._versions: dict[Kind, int] = {}

    async def get(self, view: View[T], name: str, namespace: str | None = None) -> Seen[T] | None:
        """One object, or None where there is none."""
        return cast("Seen[T] | None", self._objects[view.kind].get((namespace, name)))

    async def list(
        self, view: View[T], namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Seen[T]]:
        """All objects of a kind with these labels for pool and model, by namespace and name."""
        wanted = labels or {}
        found: Iterable[Seen[Any]] = self._objects[view.kind].values()
        if view.kind == kinds.POD and namespace is not None and names.MODEL_LABEL in wanted:
            found = self._pods.get((namespace, wanted[names.MODEL_LABEL]), {}).values()
        chosen = [
            seen
            for seen in found
            if (namespace is None or seen.namespace == namespace)
            and all(seen.labels.get(key) == value for key, value in wanted.items())
        ]
        return sorted(chosen, key=lambda seen: (seen.namespace or "", seen.name))

    async def optional_apis(self) -> frozenset[str]:
        """Kinds of the optional APIs that the cluster serves."""
        return frozenset(kind.kind for kind in kinds.OPTIONAL if kind.kind in self._served)

    def has(self, kind: Kind) -> bool:
        """Whether the cluster is known to have a kind."""
        return kind.kind in self._served

    def serves(self, view: AnyView, served: bool) -> bool:
        """Notes whether the cluster has a kind; says whether that is news."""
        news = (view.kind.kind in self._served) != served
        (self._served.add if served else self._served.discard)(view.kind.kind)
        return news

    def replace(self, view: AnyView, items: Iterable[Seen[Any]], version: int) -> None:
        """Takes over a list of all objects of a kind, as of a resource version; what is newer here stays."""
        if version < self._versions.get(view.kind, 0):
            # etcd was restored from a backup: what is here is of a history that no longer is.
            self._objects[view.kind].clear()
        self._versions[view.kind] = version
        listed = set()
        for seen in items:
            listed.add((seen.namespace, seen.name))
            self._put(view.kind, seen)
        for place, held in list(self._objects[view.kind].items()):
            if place not in listed and held.version <= version:
                self._drop(view.kind, place)

    def put(self, view: AnyView, live: JsonObject) -> None:
        """Takes over one object, unless a newer version is here."""
        self._put(view.kind, view.see(live))

    def note(self, live: JsonObject) -> None:
        """Takes over what the API server answered to a write of ours."""
        view = self._views.get((live.get("apiVersion", ""), live.get("kind", "")))
        if view is not None and (not view.label or view.label in live["metadata"].get("labels", {})):
            self.put(view, live)

    def remove(self, view: AnyView, live: JsonObject) -> None:
        """An event says that the object has gone."""
        meta = live["metadata"]
        version = int(meta.get("resourceVersion", 0))
        self._bury(meta["uid"], version)
        place = (meta.get("namespace"), meta["name"])
        held = self._objects[view.kind].get(place)
        if held is not None and held.version <= version:
            self._drop(view.kind, place)

    def forget(self, kind: Kind, name: str, namespace: str | None, uid: str) -> None:
        """We deleted the object, and it has gone at once; events from before that are not to bring it back."""
        held = self._objects[kind].get((namespace, name))
        if held is not None and held.uid == uid:
            self._bury(uid, _NEVER)
            self._drop(kind, (namespace, name))

    def _bury(self, uid: str, version: int) -> None:
        self._gone[uid] = version
        if len(self._gone) > _REMEMBERED:
            del self._gone[next(iter(self._gone))]

    def _put(self, kind: Kind, seen: Seen[Any]) -> None:
        place = (seen.namespace, seen.name)
        held = self._objects[kind].get(place)
        if seen.version <= self._gone.get(seen.uid, -1) or (held is not None and held.version >= seen.version):
            return
        self._objects[kind][place] = seen
        if kind == kinds.POD:
            self._index(held, seen)
        self._on_change(kind, held, seen)

    def _drop(self, kind: Kind, place: _Place) -> None:
        held = self._objects[kind].pop(place)
        if kind == kinds.POD:
            self._index(held, None)
        self._on_change(kind, held, None)

    def _index(self, before: Seen[Any] | None, after: Seen[Any] | None) -> None:
        if before is not None:
            place = (before.namespace, before.value.model)
            pods = self._pods.get(place, {})
            pods.pop(before.name, None)
            if not pods:
                self._pods.pop(place, None)
        if after is not None:
            self._pods.setdefault((after.namespace, after.value.model), {})[after.name] = after
