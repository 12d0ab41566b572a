"""What a change of an object wakes. Nothing is decided or written here."""

from typing import Any

from gharial_operator.handlers.children import WATCHED, child_changed
from gharial_operator.handlers.machines import gateway_changed, node_changed
from gharial_operator.handlers.resources import card_node_changed, model_changed, pool_changed
from gharial_operator.handlers.wakes import Wakes
from gharial_operator.kinds import CARD_NODE, GATEWAY, MODEL, NODE, POOL, Kind
from gharial_operator.seen import Seen
from gharial_operator.work_queue import Key, WorkQueue

_HANDLERS: dict[Kind, Wakes] = {
    POOL: pool_changed,
    CARD_NODE: card_node_changed,
    MODEL: model_changed,
    NODE: node_changed,
    GATEWAY: gateway_changed,
    **dict.fromkeys(WATCHED, child_changed),
}


def handle(queue: WorkQueue, kind: Kind, before: Seen[Any] | None, after: Seen[Any] | None) -> None:
    """Wakes whom the change concerns."""
    for woken in _HANDLERS[kind](before, after):
        if isinstance(woken, Key):
            queue.wake(woken)
        else:
            queue.wake_kind(woken)
