"""Decides about a pool: its card nodes with their permissions, its status, and whether it may go."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from gharial_api import AsrCardNode
from gharial_api.bitstream import Bitstream, BitstreamVersions
from gharial_api.conditions import ConditionType
from gharial_api.node import BUSY_PHASES
from gharial_api.pool import CardCounts, PoolStatus, StreamCounts

from gharial_operator.facts import NodeFacts, PoolFacts
from gharial_operator.policies.cards import broken, placed, usable
from gharial_operator.policies.claims import Claims, claim_nodes
from gharial_operator.policies.licences import licences
from gharial_operator.policies.machines import LOOK_SECONDS, MANAGED_DRIVERS, REPORTED_DRIVERS, rooms
from gharial_operator.policies.pool_verdicts import PoolView, degraded, paused, progressing, ready
from gharial_operator.policies.rollout import Desired, NodePlan, NodeView, Plan, rollout
from gharial_operator.policies.rollout.drain import leave
from gharial_operator.policies.rollout.plan import Action, Machine
from gharial_operator.policies.rollout.report import report_only
from gharial_operator.policies.rollout.standing import MOVING, switching
from gharial_operator.policies.verdict import conditions

#: So many good bitstreams are remembered.
KNOWN_GOOD = 3


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
    #: Machines whose power is to be watched, by node.
    machines: Mapping[str, Machine] = field(default_factory=dict)


def decide_pool(facts: PoolFacts) -> PoolDecision:
    """From what is to what shall be."""
    claims = claim_nodes(facts)
    mine = [node for node in facts.card_nodes if node.spec.pool_ref.name == facts.pool.metadata.name]
    by_node = {node.metadata.name: node for node in mine}
    deleting = facts.pool.metadata.deletion_timestamp is not None
    kept_names = {node.name for node in claims.owned} if not deleting or facts.models else set()
    views = _views(facts, by_node, kept_names)
    plan = _plan(facts, views)
    kept = [node for node in mine if node.metadata.name in plan.nodes]
    leaving = leave((node for node in facts.cluster_nodes if node.name not in plan.nodes), facts.pool.metadata.name)
    found = () if facts.pool.spec.driver in MANAGED_DRIVERS else rooms(facts, claims.owned)
    view = PoolView(facts, claims, tuple(views), tuple(placed(kept)), plan, deleting, found)
    return PoolDecision(
        card_nodes=plan.nodes,
        actions=(*plan.actions, *leaving),
        remove=tuple(node for node in mine if node.metadata.name not in plan.nodes),
        status=_status(view, kept, claims),
        hold=not deleting or bool(facts.models) or bool(mine) or bool(leaving),
        recheck=plan.recheck,
        machines=plan.machines,
    )


def _plan(facts: PoolFacts, views: list[NodeView]) -> Plan:
    """What becomes of the nodes that have an AsrCardNode: cards of ours are flashed, GPUs reported, cores neither."""
    desired = Desired.of(facts.pool)
    if facts.pool.spec.driver in MANAGED_DRIVERS:
        return rollout(views, desired, facts.now)
    if facts.pool.spec.driver in REPORTED_DRIVERS:
        return report_only(views, desired, facts.now, LOOK_SECONDS)
    return Plan({}, (), recheck=LOOK_SECONDS)


def _views(facts: PoolFacts, by_node: Mapping[str, AsrCardNode], kept: set[str]) -> list[NodeView]:
    """The nodes that the pool keeps, and those that it may not let go of yet: their machines may be off."""
    known = {node.name for node in facts.cluster_nodes}
    deleted = [NodeFacts(name, {}, ready=False, cordoned=True, deleted=True) for name in by_node if name not in known]
    found, pods = [], defaultdict(list)
    for pod in facts.pods:
        pods[pod.node].append(pod)
    for node in (*facts.cluster_nodes, *deleted):
        card_node, leaving = by_node.get(node.name), node.name not in kept
        if leaving and (card_node is None or not switching(card_node.spec.rollout)):
            continue
        found.append(NodeView(node, card_node, tuple(pods.get(node.name, ())), facts.power.get(node.name), leaving))
    return found


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
        good_bitstreams=good_bitstreams(view),
        nodes=len(claims.owned),
        cards=_count(view),
        streams=_streams(view),
    )


def good_bitstreams(view: PoolView) -> list[Bitstream]:
    """What is known as good, with the pool's bitstream in front once every card that serves runs it.

    A broken card does not count against it: a pool with one dead card must have a way back, too.
    """
    pool = view.facts.pool
    known, target = pool.status.good_bitstreams, pool.spec.bitstream
    serving = [card.card.bitstream for card in view.cards if usable(card.card)]
    moving = any(plan.state in MOVING or plan.record.rolling_back for plan in view.plan.nodes.values())
    if target is None or moving or not serving or set(serving) != {target.version}:
        return known
    return [target, *(each for each in known if each != target)][:KNOWN_GOOD]


def _count(view: PoolView) -> CardCounts:
    if not view.managed:
        free, total = view.free, sum(room.total for room in view.rooms)
        return CardCounts(total=total, ready=free, summary=f"{free}/{total}")
    cards = [placed_card.card for placed_card in view.cards]
    good = sum(usable(card) for card in cards)
    return CardCounts(
        total=len(cards),
        ready=good,
        flashing=sum(card.phase in BUSY_PHASES for card in cards),
        quarantined=sum(broken(c.card) and view.plan.nodes[c.node].state == "Quarantined" for c in view.cards),
        summary=f"{good}/{len(cards)}",
    )


def _streams(view: PoolView) -> StreamCounts:
    """Cards of ours count their streams themselves; on GPUs and cores the models' pods do, as their statuses say."""
    if not view.managed:
        statuses = [model.status for model in view.facts.models]
        return StreamCounts(
            capacity=sum(status.stream_capacity for status in statuses),
            used=sum(status.active_streams for status in statuses),
        )
    good = [placed_card.card for placed_card in view.cards if usable(placed_card.card)]
    return StreamCounts(
        capacity=sum(card.streams.capacity for card in good), used=sum(card.streams.used for card in good)
    )
