"""Events of our own kinds."""

from typing import Any

import kopf
from gharial_api import names

from gharial_operator.changes import intent
from gharial_operator.watch import Waker
from gharial_operator.work_queue import Key


def register(registry: kopf.OperatorRegistry) -> None:
    """Watches pools, card nodes and models."""
    kopf.on.event(names.GROUP, names.VERSION, names.POOL_PLURAL, registry=registry)(pool_changed)
    kopf.on.event(names.GROUP, names.VERSION, names.NODE_PLURAL, registry=registry)(card_node_changed)
    kopf.on.event(names.GROUP, names.VERSION, names.MODEL_PLURAL, registry=registry)(model_changed)


async def pool_changed(body: kopf.Body, type: str | None, memo: Waker, **_: Any) -> None:
    """A pool wakes itself and the other pools, which may now own other nodes."""
    if memo.changes.differ(body, intent(body, type)):
        memo.wake(Key(names.POOL_KIND, body["metadata"]["name"]))
        memo.wake_kind(names.POOL_KIND)


async def card_node_changed(body: kopf.Body, memo: Waker, **_: Any) -> None:
    """An agent's report wakes the pool, and the pool wakes its models."""
    memo.wake(Key(names.POOL_KIND, body["spec"]["poolRef"]["name"]))


async def model_changed(body: kopf.Body, type: str | None, memo: Waker, **_: Any) -> None:
    """A model wakes itself and its pool, which may be waiting for it to go."""
    if memo.changes.differ(body, intent(body, type)):
        meta = body["metadata"]
        memo.wake(Key(names.MODEL_KIND, meta["name"], meta["namespace"]))
        memo.wake(Key(names.POOL_KIND, body["spec"]["poolRef"]["name"]))
