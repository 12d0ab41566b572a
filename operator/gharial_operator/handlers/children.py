"""Events of the objects that a model is made of: a child that changes or goes wakes its model."""

from typing import Any

import kopf
from gharial_api import names

from gharial_operator.kinds import MODEL_CHILDREN, POD
from gharial_operator.watch import Waker
from gharial_operator.work_queue import Key

WATCHED = (*MODEL_CHILDREN, POD)


def register(registry: kopf.OperatorRegistry) -> None:
    """Watches children and pods."""
    for kind in WATCHED:
        version = kind.api_version.rpartition("/")[2]
        kopf.on.event(kind.group, version, kind.plural, registry=registry)(child_changed)


def narrow(settings: kopf.OperatorSettings) -> None:
    """Lets the API server send only objects that carry our label."""
    for kind in WATCHED:
        version = kind.api_version.rpartition("/")[2]
        settings.watching.label_selectors[kind.group, version, kind.plural] = names.MODEL_LABEL


async def child_changed(body: kopf.Body, type: str | None, memo: Waker, **_: Any) -> None:
    """Wakes the model whose label the object carries; a pod that has gone may be what its pool waits for."""
    meta = body["metadata"]
    model = meta.get("labels", {}).get(names.MODEL_LABEL)
    if model is not None:
        memo.wake(Key(names.MODEL_KIND, model, meta.get("namespace")))
    pool = meta.get("labels", {}).get(names.POOL_LABEL)
    if pool is not None and type == "DELETED" and body.get("kind") == POD.kind:
        memo.wake(Key(names.POOL_KIND, pool))
