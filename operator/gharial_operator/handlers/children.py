"""Changes of the objects that a model is made of: a child that changes or goes wakes its model."""

from collections.abc import Iterable
from typing import Any

from gharial_api import names

from gharial_operator.handlers.wakes import either
from gharial_operator.kinds import MODEL_CHILDREN, POD
from gharial_operator.seen import Seen
from gharial_operator.snapshot.pods import Pod
from gharial_operator.work_queue import Key

WATCHED = (*MODEL_CHILDREN, POD)


def child_changed(before: Seen[Any] | None, after: Seen[Any] | None) -> Iterable[Key | str]:
    """Wakes the model whose label the object carries; a pod that has gone may be what its pool waits for."""
    seen = either(before, after)
    model, pool = seen.labels.get(names.MODEL_LABEL), seen.labels.get(names.POOL_LABEL)
    if model is not None:
        yield Key(names.MODEL_KIND, model, seen.namespace)
    if after is None and pool is not None and isinstance(seen.value, Pod):
        yield Key(names.POOL_KIND, pool)
