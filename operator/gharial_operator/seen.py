"""One version of an object as the operator keeps it, and what it works out of each kind."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gharial_api import names
from gharial_api.base import JsonObject

from gharial_operator.kinds import Kind

T = TypeVar("T")

#: Labels by which reads choose.
_LABELS = (names.POOL_LABEL, names.MODEL_LABEL)


@dataclass(frozen=True)
class Seen(Generic[T]):
    """One version of an object.

    value: what was worked out of it. version: its resource version; newer ones are larger. labels: those by which we
    look for objects, and no others. raw: the object as JSON, without what nobody reads; kept as bytes, for thousands of
    dicts would take ten times the memory.
    """

    __slots__ = ("labels", "name", "namespace", "raw", "uid", "value", "version")

    value: T
    name: str
    namespace: str | None
    uid: str
    version: int
    labels: Mapping[str, str]
    raw: bytes

    @property
    def live(self) -> JsonObject:
        """The object, made anew for each reader. Only metadata of kinds that keep nothing else."""
        found: JsonObject = json.loads(self.raw)
        return found


@dataclass(frozen=True)
class View(Generic[T]):
    """A kind as the operator reads it.

    parse: works out what is needed, once for each version of an object. whole: whether the object itself is read, too.
    label: only objects that carry it are watched.
    """

    kind: Kind
    parse: Callable[[JsonObject], T]
    whole: bool = True
    label: str = ""

    def see(self, live: JsonObject) -> Seen[T]:
        """One version of an object, as the API server sent it."""
        meta = live["metadata"]
        value, labels = self.parse(live), meta.get("labels", {})
        kept = {key: part for key, part in meta.items() if key != "managedFields"}
        body = {**live, "metadata": kept} if self.whole else {"metadata": {"name": meta["name"], "uid": meta["uid"]}}
        return Seen(
            value,
            meta["name"],
            sys.intern(meta["namespace"]) if "namespace" in meta else None,
            meta["uid"],
            int(meta.get("resourceVersion", 0)),
            {name: sys.intern(labels[name]) for name in _LABELS if name in labels},
            json.dumps(body, separators=(",", ":")).encode(),
        )


#: A view of whatever: what is common to all.
AnyView = View[Any]
