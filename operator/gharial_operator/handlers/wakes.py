"""What handlers have in common."""

from collections.abc import Callable, Iterable
from typing import Any

from gharial_api.base import ObjectMeta

from gharial_operator.seen import Seen
from gharial_operator.work_queue import Key

#: From an object as it was and as it is (None: there was, or is, none) to what is woken: an object, or all of a kind.
Wakes = Callable[[Seen[Any] | None, Seen[Any] | None], Iterable[Key | str]]


def either(before: Seen[Any] | None, after: Seen[Any] | None) -> Seen[Any]:
    """The object as it is, or as it was before it went."""
    found = after or before
    if found is None:
        raise ValueError("a change of nothing")
    return found


def intent(seen: Seen[Any] | None) -> object:
    """What people ask of an object, its status left out; None when there is none."""
    if seen is None:
        return None
    meta: ObjectMeta = seen.value.metadata
    return meta.uid, meta.generation, meta.deletion_timestamp, tuple(meta.finalizers)
