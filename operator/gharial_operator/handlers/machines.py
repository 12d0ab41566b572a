"""Changes of Kubernetes nodes and of Gateways."""

from collections.abc import Iterable

from gharial_api import names

from gharial_operator.facts import NodeFacts
from gharial_operator.handlers.wakes import either
from gharial_operator.seen import Seen
from gharial_operator.work_queue import Key


def node_changed(before: Seen[NodeFacts] | None, after: Seen[NodeFacts] | None) -> Iterable[Key | str]:
    """A node that comes, goes, is labelled, cordoned or lost may concern every pool; its heartbeat concerns none."""
    if before is not None and after is not None and before.value == after.value:
        return
    yield names.POOL_KIND
    # A pool that has left something on the node may be gone, and then nothing else would wake it.
    node = either(before, after).value
    for pool in {node.cordon_mark, node.labels.get(names.POOL_LABEL, "")} - {""}:
        yield Key(names.POOL_KIND, pool)


def gateway_changed(before: Seen[None] | None, after: Seen[None] | None) -> Iterable[Key | str]:
    """A Gateway's address is part of the models' own."""
    if before is None or after is None or _address(before) != _address(after):
        yield names.MODEL_KIND


def _address(seen: Seen[None]) -> object:
    live = seen.live
    return live["metadata"].get("generation"), live.get("status", {}).get("addresses")
