"""Decides about a pool: its card nodes with their permissions, its status, and whether it may go."""

from collections.abc import Mapping
from dataclasses import dataclass

from gharial_api import AsrCardNode
from gharial_api.bitstream import BitstreamVersions
from gharial_api.conditions import ConditionType
from gharial_api.node import BUSY_PHASES
from gharial_api.pool import CardCounts, PoolStatus, StreamCounts

from gharial_operator.facts import PoolFacts
from gharial_operator.policies.cards import PlacedCard, broken, placed, usable
from gharial_operator.policies.claims import Claims, claim_nodes
from gharial_operator.policies.licences import licences
from gharial_operator.policies.machines import MANAGED_DRIVERS, machine_cards
from gharial_operator.policies.pool_verdicts import PoolView, degraded, paused, progressing, ready
from gharial_operator.policies.rollout import Desired, NodePlan, NodeView, Plan, rollout
from gharial_operator.policies.rollout.drain import leave
from gharial_operator.policies.rollout.plan import Action
from gharial_operator.policies.verdict import conditions


@dataclass(frozen=True)
class PoolDecision:
    """What shall be so."""

    #: What becomes of every node that shall have an AsrCardNode.
    card_nodes: Mapping[str, NodePlan]
    #: What is to be done about nodes and their pods, in order.
    actions: tuple[Action, ...]
    #: AsrCardNodes that must go, after that.
    remove: tuple[AsrCardNode, ...]
    status: PoolStatus
    #: Whether the finalizer stays on the object.
    hold: bool = True
    #: Seconds until time alone may change the decision.
    recheck: float | None = None


def decide_pool(facts: PoolFacts) -> PoolDecision:
    """From what is to what shall be."""
    claims = claim_nodes(facts)
    mine = [node for node in facts.card_nodes if node.spec.pool_ref.name == facts.pool.metadata.name]
    by_node = {node.metadata.name: node for node in mine}
    views = [
        NodeView(node, by_node.get(node.name), tuple(pod for pod in facts.pods if pod.node == node.name))
        for node in claims.owned
    ]
    deleting = facts.pool.metadata.deletion_timestamp is not None
    managed = facts.pool.spec.driver in MANAGED_DRIVERS and not (deleting and not facts.models)
    plan = rollout(views, Desired.of(facts.pool), facts.now) if managed else Plan({}, ())
    kept = [node for node in mine if node.metadata.name in plan.nodes]
    leaving = leave((node for node in facts.cluster_nodes if node.name not in plan.nodes), facts.pool.metadata.name)
    view = PoolView(facts, claims, tuple(views), tuple(placed(kept)), plan, deleting)
    return PoolDecision(
        card_nodes=plan.nodes,
        actions=(*plan.actions, *leaving),
        remove=tuple(node for node in mine if node.metadata.name not in plan.nodes),
        status=_status(view, kept, claims),
        hold=not deleting or bool(facts.models) or bool(mine) or bool(leaving),
        recheck=plan.recheck,
    )


def _status(view: PoolView, kept: list[AsrCardNode], claims: Claims) -> PoolStatus:
    facts = view.facts
    pool = facts.pool
    verdicts = {
        ConditionType.READY: ready(view),
        ConditionType.PROGRESSING: progressing(view),
        ConditionType.DEGRADED: degraded(view),
        ConditionType.LICENCES_VALID: licences(pool, kept),
        ConditionType.UPGRADE_PAUSED: paused(view),
    }
    target = pool.spec.bitstream.version if pool.spec.bitstream else ""
    versions = sorted({card.card.bitstream for card in view.cards if card.card.bitstream})
    return PoolStatus(
        observed_generation=pool.metadata.generation,
        conditions=conditions(pool.status.conditions, verdicts, pool.metadata.generation, facts.now),
        bitstream=BitstreamVersions(current=", ".join(versions), target=target),
        nodes=len(claims.owned),
        cards=_count(view),
        streams=_streams(view.cards),
    )


def _count(view: PoolView) -> CardCounts:
    if view.facts.pool.spec.driver not in MANAGED_DRIVERS:
        total = machine_cards(view.facts.pool, view.claims.owned)
        return CardCounts(total=total, ready=total, summary=f"{total}/{total}")
    cards = [placed_card.card for placed_card in view.cards]
    good = sum(usable(card) for card in cards)
    return CardCounts(
        total=len(cards),
        ready=good,
        flashing=sum(card.phase in BUSY_PHASES for card in cards),
        quarantined=sum(broken(c.card) and view.plan.nodes[c.node].state == "Quarantined" for c in view.cards),
        summary=f"{good}/{len(cards)}",
    )


def _streams(cards: tuple[PlacedCard, ...]) -> StreamCounts:
    good = [placed_card.card for placed_card in cards if usable(placed_card.card)]
    return StreamCounts(
        capacity=sum(card.streams.capacity for card in good), used=sum(card.streams.used for card in good)
    )
