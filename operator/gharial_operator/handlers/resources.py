"""Changes of our own kinds."""

from collections.abc import Iterable

from gharial_api import AsrCardNode, AsrCardPool, AsrModel, names

from gharial_operator.handlers.wakes import either, intent
from gharial_operator.seen import Seen
from gharial_operator.work_queue import Key


def pool_changed(before: Seen[AsrCardPool] | None, after: Seen[AsrCardPool] | None) -> Iterable[Key | str]:
    """A pool wakes itself and the other pools, which may now own other nodes; its status wakes nobody."""
    if after is None or intent(before) != intent(after):
        yield Key(names.POOL_KIND, either(before, after).name)
        yield names.POOL_KIND


def card_node_changed(before: Seen[AsrCardNode] | None, after: Seen[AsrCardNode] | None) -> Iterable[Key | str]:
    """An agent's report wakes the pool, and the pool wakes its models."""
    for pool in {seen.value.spec.pool_ref.name for seen in (before, after) if seen is not None}:
        yield Key(names.POOL_KIND, pool)


def model_changed(before: Seen[AsrModel] | None, after: Seen[AsrModel] | None) -> Iterable[Key | str]:
    """A model wakes itself and its pool, which may be waiting for it to go; its status wakes nobody."""
    if after is None or intent(before) != intent(after):
        seen = either(before, after)
        yield Key(names.MODEL_KIND, seen.name, seen.namespace)
        for pool in {seen.value.spec.pool_ref.name for seen in (before, after) if seen is not None}:
            yield Key(names.POOL_KIND, pool)
