"""Events of Kubernetes nodes and of Gateways."""

from typing import Any

import kopf
from gharial_api import names

from gharial_operator.kinds import GATEWAY
from gharial_operator.snapshot.nodes import node_facts
from gharial_operator.watch import Waker
from gharial_operator.work_queue import Key


def register(registry: kopf.OperatorRegistry) -> None:
    """Watches nodes and Gateways."""
    kopf.on.event("", "v1", "nodes", registry=registry)(node_changed)
    group, version = GATEWAY.api_version.split("/")
    kopf.on.event(group, version, GATEWAY.plural, registry=registry)(gateway_changed)


async def node_changed(body: kopf.Body, type: str | None, memo: Waker, **_: Any) -> None:
    """A node that comes, goes, is labelled, cordoned or lost may concern every pool; its heartbeat concerns none."""
    node = node_facts(dict(body))
    if memo.changes.differ(body, None if type == "DELETED" else node):
        memo.wake_kind(names.POOL_KIND)
        # A pool that has left something on the node may be gone, and then nothing else would wake it.
        for pool in {node.cordon_mark, node.labels.get(names.POOL_LABEL, "")} - {""}:
            memo.wake(Key(names.POOL_KIND, pool))


async def gateway_changed(body: kopf.Body, type: str | None, memo: Waker, **_: Any) -> None:
    """A Gateway's address is part of the models' own."""
    addresses = str(body.get("status", {}).get("addresses"))
    if memo.changes.differ(body, None if type == "DELETED" else (body["metadata"].get("generation"), addresses)):
        memo.wake_kind(names.MODEL_KIND)
