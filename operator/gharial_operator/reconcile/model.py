"""Brings one model to what its spec says."""

from gharial_api import names

from gharial_operator import kinds
from gharial_operator.apply import differs
from gharial_operator.context import Context
from gharial_operator.facts import ModelFacts
from gharial_operator.policies.model import ModelDecision, decide_model
from gharial_operator.reconcile.status import forget_status, publish_status
from gharial_operator.snapshot.model import gather_model
from gharial_operator.work_queue import Key


async def reconcile_model(context: Context, key: Key) -> float | None:
    """One round; returns after how many seconds to look again."""
    live = await context.client.get(kinds.MODEL, key.name, key.namespace)
    if live is None:
        context.queue.forget(key)
        forget_status(kinds.MODEL, key.name, key.namespace)
        return None
    facts = await gather_model(context.client, live, context.read_streams, context.shared)
    decision = decide_model(facts, context.config)
    deleting = facts.model.metadata.deletion_timestamp is not None
    if decision.hold and not deleting:
        await context.writer.set_finalizer(kinds.MODEL, live, names.MODEL_FINALIZER, present=True)
    await _apply_children(context, facts, decision)
    await publish_status(context, kinds.MODEL, facts.model, decision.status)
    if not decision.hold:
        await context.writer.set_finalizer(kinds.MODEL, live, names.MODEL_FINALIZER, present=False)
        return None
    if deleting:
        return 1.0
    return context.config.streams_seconds if facts.pods else context.config.resync_seconds


async def _apply_children(context: Context, facts: ModelFacts, decision: ModelDecision) -> None:
    for kind in decision.remove:
        await context.writer.delete(kind, facts.children[kind.kind])
    for kind, wanted in decision.children:
        live = facts.children.get(kind.kind)
        if kind is kinds.CLAIM_TEMPLATE and live is not None and differs(wanted["spec"], live["spec"]):
            # A template cannot be changed, only replaced; pods that run keep their claims.
            await context.writer.delete(kind, live)
            live = None
        await context.writer.apply(kind, wanted, live)
