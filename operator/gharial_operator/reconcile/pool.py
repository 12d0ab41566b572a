"""Brings one pool to what its spec says."""

from gharial_api import AsrCardPool, names

from gharial_operator import kinds
from gharial_operator.context import Context
from gharial_operator.policies.pool import PoolDecision, decide_pool
from gharial_operator.reconcile.status import forget_status, publish_status
from gharial_operator.snapshot.pool import gather_pool
from gharial_operator.specs.card_node import build_card_node
from gharial_operator.work_queue import Key


async def reconcile_pool(context: Context, key: Key) -> float | None:
    """One round; returns after how many seconds to look again."""
    live = await context.client.get(kinds.POOL, key.name)
    if live is None:
        context.queue.forget(key)
        forget_status(kinds.POOL, key.name, None)
        return None
    facts = await gather_pool(context.client, live)
    decision = decide_pool(facts)
    writer = context.writer
    if decision.hold and not facts.pool.metadata.deletion_timestamp:
        await writer.set_finalizer(kinds.POOL, live, names.POOL_FINALIZER, present=True)
    await _apply_card_nodes(context, facts.pool, decision)
    changed = await publish_status(context, kinds.POOL, facts.pool, decision.status)
    if not decision.hold:
        await writer.set_finalizer(kinds.POOL, live, names.POOL_FINALIZER, present=False)
    # Models that are looked at from now on see what this round saw, or newer.
    context.shared.clear()
    if changed:
        for model in facts.models:
            context.queue.wake(Key(names.MODEL_KIND, model.metadata.name, model.metadata.namespace))
    return min(decision.recheck or context.config.resync_seconds, context.config.resync_seconds)


async def _apply_card_nodes(context: Context, pool: AsrCardPool, decision: PoolDecision) -> None:
    for node in decision.remove:
        live = await context.client.get(kinds.CARD_NODE, node.metadata.name)
        if live is not None:
            await context.writer.delete(kinds.CARD_NODE, live)
    # Holds are written before permissions, so that no moment shows more nodes allowed than were decided.
    ordered = sorted(decision.card_nodes.items(), key=lambda item: (item[1].flash == "Allowed", item[0]))
    for name, permission in ordered:
        live = await context.client.get(kinds.CARD_NODE, name)
        if live is not None and live["metadata"].get("deletionTimestamp"):
            continue
        await context.writer.apply(kinds.CARD_NODE, build_card_node(pool, name, permission), live)
