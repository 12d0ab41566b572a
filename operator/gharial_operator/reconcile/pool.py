"""Brings one pool to what its spec says."""

import time
from dataclasses import replace

from gharial_api import names
from gharial_api.pool import PoolStatus

from gharial_operator import kinds
from gharial_operator.context import Context
from gharial_operator.facts import PoolFacts
from gharial_operator.policies.card_supply import as_models_see_it, offer
from gharial_operator.policies.pool import PoolDecision, decide_pool
from gharial_operator.policies.rollout.drain import leave
from gharial_operator.policies.rollout.plan import Turn
from gharial_operator.reconcile.rollout import RolloutWriter, count_nodes
from gharial_operator.reconcile.status import forget_status, publish_status
from gharial_operator.snapshot import views
from gharial_operator.snapshot.pool import gather_pods, gather_pool
from gharial_operator.snapshot.reads import ApiReads
from gharial_operator.work_queue import Key

#: Models are told what their pool has for them at most this often.
MODELS_SECONDS = 5.0


async def reconcile_pool(context: Context, key: Key) -> float | None:
    """One round; returns after how many seconds to look again."""
    seen = await context.reads.get(views.POOLS, key.name)
    if seen is None:
        context.queue.forget(key)
        context.offers.pop(key.name, None)
        forget_status(kinds.POOL, key.name, None)
        context.power.watch(key.name, {}, {})
        count_nodes(key.name, ())
        return await _leave_nodes(context, key.name)
    live = seen.live
    facts = await gather_pool(
        context.client, context.reads, seen.value, context.config, context.power.answers(key.name)
    )
    decision = decide_pool(facts)
    if _permits(facts, decision):
        # A pod that came a moment ago may not be in the store yet; before a flash, pods are asked for.
        facts = replace(facts, pods=await gather_pods(context.client, ApiReads(context.client), facts, context.config))
        decision = decide_pool(facts)
    writer = context.writer
    if decision.hold and not facts.pool.metadata.deletion_timestamp:
        await writer.set_finalizer(kinds.POOL, live, names.POOL_FINALIZER, present=True)
    rollout = RolloutWriter(writer, facts.cluster_nodes, facts.live, facts.pool, context.told)
    again = await rollout.perform(decision.actions)
    wishes = {action.node: action.switch for action in decision.actions if isinstance(action, Turn)}
    context.power.watch(key.name, decision.machines, wishes)
    count_nodes(key.name, decision.card_nodes.values())
    for node in decision.remove:
        await writer.delete(kinds.CARD_NODE, facts.live[node.metadata.name].live)
    await publish_status(context, kinds.POOL, facts.pool, decision.status)
    if not decision.hold:
        await writer.set_finalizer(kinds.POOL, live, names.POOL_FINALIZER, present=False)
    later = _tell_models(context, facts, decision.status)
    resync = context.config.resync_seconds
    return min(again or resync, decision.recheck or resync, later or resync, resync)


def _permits(facts: PoolFacts, decision: PoolDecision) -> bool:
    """Whether some node shall be allowed to flash that is not allowed yet."""
    allowed = {node.metadata.name for node in facts.card_nodes if node.spec.flash == "Allowed"}
    return any(plan.flash == "Allowed" and name not in allowed for name, plan in decision.card_nodes.items())


def _tell_models(context: Context, facts: PoolFacts, status: PoolStatus) -> float | None:
    """Wakes the pool's models when anything has changed that one of them can notice.

    Returns after how many seconds they are to be told instead: while cards are too few and come one after the other,
    each of them would change the status of every model.
    """
    pool = facts.pool.model_copy(update={"status": status})
    # Models that are looked at from now on see what this round saw, or newer.
    context.shared.clear()
    mine = [node for node in facts.card_nodes if node.spec.pool_ref.name == pool.metadata.name]
    demand = sum(model.spec.replicas for model in facts.models if model.metadata.deletion_timestamp is None)
    noticed = (pool.metadata.uid, pool.metadata.generation, as_models_see_it(offer(pool, mine), demand))
    last, told = context.offers.get(pool.metadata.name, (None, -MODELS_SECONDS))
    if last == noticed:
        return None
    rest = told + MODELS_SECONDS - time.monotonic()
    if rest > 0:
        return rest
    context.offers[pool.metadata.name] = (noticed, time.monotonic())
    for model in facts.models:
        context.queue.wake(Key(names.MODEL_KIND, model.metadata.name, model.metadata.namespace))
    return None


async def _leave_nodes(context: Context, pool: str) -> float | None:
    """Gives back what a pool that is gone has left on nodes, should it have gone without its finalizer."""
    nodes = [seen.value for seen in await context.reads.list(views.NODES)]
    return await RolloutWriter(context.writer, nodes, {}, None, context.told).perform(leave(nodes, pool))
