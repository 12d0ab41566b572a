"""Brings one model to what its spec says."""

from gharial_api import names

from gharial_operator import kinds
from gharial_operator.apply import differs
from gharial_operator.context import Context
from gharial_operator.facts import ModelFacts
from gharial_operator.policies.model import ModelDecision, decide_model
from gharial_operator.policies.outdated_claims import may_be_outdated, outdated_pods
from gharial_operator.reconcile.status import forget_status, publish_status
from gharial_operator.snapshot import views
from gharial_operator.snapshot.model import gather_model
from gharial_operator.work_queue import Key


async def reconcile_model(context: Context, key: Key) -> float | None:
    """One round; returns after how many seconds to look again."""
    seen = await context.reads.get(views.MODELS, key.name, key.namespace)
    if seen is None:
        context.queue.forget(key)
        forget_status(kinds.MODEL, key.name, key.namespace)
        return None
    live = seen.live
    facts = await gather_model(context.reads, seen.value, context.read_streams, context.shared)
    decision = decide_model(facts, context.config)
    deleting = facts.model.metadata.deletion_timestamp is not None
    if decision.hold and not deleting:
        await context.writer.set_finalizer(kinds.MODEL, live, names.MODEL_FINALIZER, present=True)
    replaced = await _apply_children(context, facts, decision)
    await _renew_claims(context, facts, decision, replaced)
    await publish_status(context, kinds.MODEL, facts.model, decision.status)
    if not decision.hold:
        await context.writer.set_finalizer(kinds.MODEL, live, names.MODEL_FINALIZER, present=False)
        return None
    if deleting:
        return 1.0
    return context.config.streams_seconds if facts.pods else context.config.resync_seconds


async def _apply_children(context: Context, facts: ModelFacts, decision: ModelDecision) -> bool:
    """Brings the model's objects to what shall be; says whether the template of claims is another one now."""
    replaced = False
    for kind in decision.remove:
        await context.writer.delete(kind, facts.children[kind.kind])
    for kind, wanted in decision.children:
        live = facts.children.get(kind.kind)
        if kind is kinds.CLAIM_TEMPLATE and live is not None and differs(wanted["spec"], live["spec"]):
            # A template cannot be changed, only replaced; pods that run keep their claims.
            await context.writer.delete(kind, live)
            live, replaced = None, True
        await context.writer.apply(kind, wanted, live)
    return replaced


async def _renew_claims(context: Context, facts: ModelFacts, decision: ModelDecision, replaced: bool) -> None:
    """Ends pods that wait for a card of before; the Deployment makes them anew, with a claim of now."""
    wanted = {kind.kind: body for kind, body in decision.children}.get(kinds.CLAIM_TEMPLATE.kind)
    waiting = may_be_outdated(facts.pods, facts.children.get(kinds.CLAIM_TEMPLATE.kind), replaced, facts.now)
    if wanted is None or not waiting:
        return
    meta = facts.model.metadata
    claims = await context.client.list(kinds.CLAIM, meta.namespace, f"{names.MODEL_LABEL}={meta.name}")
    bitstream = facts.pool.spec.bitstream if facts.pool else None
    version = bitstream.version if bitstream else None
    for name, uid in outdated_pods(waiting, claims, wanted["spec"]["spec"]["devices"], version):
        await context.writer.terminate(meta.namespace or "", name, uid, 0)
