"""Brings one pool to what its spec says."""

from gharial_api import names

from gharial_operator import kinds
from gharial_operator.context import Context
from gharial_operator.policies.pool import decide_pool
from gharial_operator.policies.rollout.drain import leave
from gharial_operator.reconcile.rollout import RolloutWriter
from gharial_operator.reconcile.status import forget_status, publish_status
from gharial_operator.snapshot.nodes import node_facts
from gharial_operator.snapshot.pool import gather_pool
from gharial_operator.work_queue import Key


async def reconcile_pool(context: Context, key: Key) -> float | None:
    """One round; returns after how many seconds to look again."""
    live = await context.client.get(kinds.POOL, key.name)
    if live is None:
        context.queue.forget(key)
        forget_status(kinds.POOL, key.name, None)
        return await _leave_nodes(context, key.name)
    facts = await gather_pool(context.client, live)
    decision = decide_pool(facts)
    writer = context.writer
    if decision.hold and not facts.pool.metadata.deletion_timestamp:
        await writer.set_finalizer(kinds.POOL, live, names.POOL_FINALIZER, present=True)
    again = await RolloutWriter(writer, facts.cluster_nodes, facts.live, facts.pool).perform(decision.actions)
    for node in decision.remove:
        await writer.delete(kinds.CARD_NODE, facts.live[node.metadata.name])
    changed = await publish_status(context, kinds.POOL, facts.pool, decision.status)
    if not decision.hold:
        await writer.set_finalizer(kinds.POOL, live, names.POOL_FINALIZER, present=False)
    # Models that are looked at from now on see what this round saw, or newer.
    context.shared.clear()
    if changed:
        for model in facts.models:
            context.queue.wake(Key(names.MODEL_KIND, model.metadata.name, model.metadata.namespace))
    resync = context.config.resync_seconds
    return min(again or resync, decision.recheck or resync, resync)


async def _leave_nodes(context: Context, pool: str) -> float | None:
    """Gives back what a pool that is gone has left on nodes, should it have gone without its finalizer."""
    nodes = [node_facts(node) for node in await context.client.list(kinds.NODE)]
    return await RolloutWriter(context.writer, nodes, {}, None).perform(leave(nodes, pool))
