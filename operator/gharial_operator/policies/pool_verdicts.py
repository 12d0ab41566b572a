"""The conditions of a pool: ordered checks, each with a sentence."""

from dataclasses import dataclass

from gharial_api import AsrCardNode
from gharial_api.conditions import Condition, Reason
from gharial_api.words import count, names, selector

from gharial_operator.facts import PoolFacts
from gharial_operator.policies.cards import PlacedCard, broken, usable
from gharial_operator.policies.claims import Claims
from gharial_operator.policies.licences import licences
from gharial_operator.policies.machine_verdicts import machines_ready
from gharial_operator.policies.machines import MANAGED_DRIVERS, Room
from gharial_operator.policies.rollout import NodeView, Plan
from gharial_operator.policies.rollout.holds import STANDSTILLS
from gharial_operator.policies.rollout.standing import MOVING, switching
from gharial_operator.policies.verdict import Verdict, first, no, yes


@dataclass(frozen=True)
class PoolView:
    """Facts of a pool together with what was decided about its nodes."""

    facts: PoolFacts
    claims: Claims
    views: tuple[NodeView, ...]
    cards: tuple[PlacedCard, ...]
    plan: Plan
    deleting: bool
    #: What the nodes have for pods, where cards are GPUs or cores.
    rooms: tuple[Room, ...] = ()

    @property
    def managed(self) -> bool:
        """Whether our agents manage the cards."""
        return self.facts.pool.spec.driver in MANAGED_DRIVERS

    @property
    def free(self) -> int:
        """Pods that the nodes have room for, those of the pool's own models included."""
        return sum(room.free for room in self.rooms)


def ready(view: PoolView) -> Verdict:
    """Verdict for Ready: every card that is not broken serves or can serve."""
    return first(
        view,
        (
            _deleting,
            _no_nodes,
            _all_claimed,
            _machines,
            _unreported,
            _no_cards,
            _reported_trouble,
            _none_usable,
            _pending,
        ),
        yes(Reason.CARDS_READY, _all_well(view)),
    )


def _deleting(view: PoolView) -> Verdict | None:
    if not view.deleting:
        return None
    users = [f"{m.metadata.namespace}/{m.metadata.name}" for m in view.facts.models]
    if users:
        return no(Reason.IN_USE_BY_MODELS, f"Deleted, but AsrModel {names(users)} still uses it. Delete that first.")
    return no(Reason.DELETING, "Waiting for the AsrCardNodes to go.")


def _no_nodes(view: PoolView) -> Verdict | None:
    if view.facts.nodes:
        return None
    wanted = selector(view.facts.pool.spec.node_selector)
    seen = count(len(view.facts.cluster_nodes), "node")
    example = " ".join(wanted.split(","))
    return no(
        Reason.NO_NODES_MATCH,
        f"spec.nodeSelector {wanted} matches none of the cluster's {seen}. "
        f"Label one with: kubectl label node NAME {example}",
    )


def _all_claimed(view: PoolView) -> Verdict | None:
    return None if view.claims.owned else no(Reason.NODE_CLAIMED_BY_OTHER_POOL, claimed_message(view))


def claimed_message(view: PoolView) -> str:
    """Sentence that names the nodes that other pools keep."""
    rivals = sorted({rival for _, rival in view.claims.refused})
    nodes = names(node.name for node, _ in view.claims.refused)
    return (
        f"{nodes} already {'belongs' if len(view.claims.refused) == 1 else 'belong'} to pool {names(rivals)}, "
        "which keeps it: narrow one of the two nodeSelectors."
    )


def _machines(view: PoolView) -> Verdict | None:
    """Pools of cores or GPUs are ready when a pod fits anywhere."""
    if view.managed:
        return None
    silent = [v.name for v in view.views if not v.reported] if view.plan.nodes else []
    return machines_ready(view.facts, view.claims.owned, view.rooms, silent)


def _unreported(view: PoolView) -> Verdict | None:
    silent = [v.name for v in view.views if not v.reported]
    if not silent:
        return None
    return no(
        Reason.AGENT_NOT_REPORTING,
        f"No report yet from the agent of {names(silent)}. Is its pod of the gharial-agent DaemonSet running there?",
    )


def _no_cards(view: PoolView) -> Verdict | None:
    if view.cards:
        return None
    where = names(v.name for v in view.views)
    return no(Reason.NO_CARDS_FOUND, f"The agents found no card of driver {view.facts.pool.spec.driver} on {where}.")


def _reported_trouble(view: PoolView) -> Verdict | None:
    """When no card is usable, the agents' own words about why come first."""
    if any(usable(card.card) for card in view.cards):
        return None
    licence = licences(view.facts.pool, _card_nodes(view))
    if licence.status == "False":
        return licence
    for node_view in view.views:
        trouble = _own_trouble(node_view)
        if trouble is not None:
            return no(Reason.named(trouble.reason) or Reason.WAITING_FOR_CARDS, f"{node_view.name}: {trouble.message}")
    return None


def _own_trouble(node_view: NodeView) -> Condition | None:
    """The agent's Ready condition when it is False for a reason beyond work in progress."""
    conditions = node_view.card_node.status.conditions if node_view.card_node else []
    return next((c for c in conditions if c.type == "Ready" and c.status == "False"), None)


def _none_usable(view: PoolView) -> Verdict | None:
    bad = [card.label for card in view.cards if broken(card.card)]
    if any(usable(card.card) for card in view.cards) or not bad:
        return None
    return no(Reason.CARD_UNHEALTHY, f"No card is usable: {names(bad)} broken. See kubectl describe asrcardnode.")


def _pending(view: PoolView) -> Verdict | None:
    waiting = [card for card in view.cards if not usable(card.card) and not broken(card.card)]
    if not waiting:
        return None
    good = sum(usable(card.card) for card in view.cards)
    return no(
        Reason.WAITING_FOR_CARDS,
        f"{good} of {count(len(view.cards), 'card')} ready; {names(f'{c.label} is {c.card.phase}' for c in waiting)}.",
    )


def _all_well(view: PoolView) -> str:
    good = [card.card for card in view.cards if usable(card.card)]
    capacity, used = sum(c.streams.capacity for c in good), sum(c.streams.used for c in good)
    target = view.facts.pool.spec.bitstream
    runs = f" run bitstream {target.version} and" if target else ""
    return (
        f"{len(good)} of {count(len(view.cards), 'card')} on {count(len(view.views), 'node')}{runs} carry "
        f"{count(capacity, 'stream')}, {used} in use."
    )


def progressing(view: PoolView) -> Verdict:
    """Verdict for Progressing: what moves, and what the next node waits for."""
    target = view.facts.pool.spec.bitstream
    ahead = [plan for plan in view.plan.nodes.values() if target is not None and plan.state != "Done"]
    if target is None or not ahead or view.deleting:
        return no(Reason.AS_EXPECTED, "Nothing is under way.")
    done = len(view.plan.nodes) - len(ahead)
    head = f"{done} of {count(len(view.plan.nodes), 'node')} on bitstream {target.version}. "
    # What moves comes before what waits; a wait that an admin can end comes before one that ends by itself.
    ordered = sorted(ahead, key=lambda plan: (plan.state not in MOVING, plan.node))
    chosen = ordered[0]
    other = next((plan.message for plan in ordered if plan.message != chosen.message), "")
    stands = chosen.reason in _POWER_STOPS or (chosen.state not in MOVING and chosen.reason in _STUCK)
    verdict = no if stands else yes
    return verdict(chosen.reason, f"{head}{chosen.message}{f' Also: {other}' if other else ''}")


#: What is wrong with machines' power controllers.
_POWER_TROUBLES = frozenset({Reason.POWER_CONTROLLER_UNKNOWN, Reason.POWER_CONTROLLER_FAILED})
#: What ends only when somebody sees to a machine's power, even on the way.
_POWER_STOPS = _POWER_TROUBLES | {Reason.POWER_CYCLE_REQUIRED}
#: Waits that only a person can end.
_STUCK = frozenset(
    {
        Reason.PAUSED_BY_ADMIN,
        Reason.CIRCUIT_BREAKER_OPEN,
        Reason.CANARY_FAILED,
        Reason.FLASH_FAILED,
        Reason.ROLLED_BACK,
        Reason.CARD_UNHEALTHY,
        Reason.DRAIN_TIMED_OUT,
        Reason.NODE_CORDONED_BY_ADMIN,
        Reason.NODE_UNCORDONED_BY_ADMIN,
        Reason.NODE_NOT_READY,
        Reason.AGENT_NOT_REPORTING,
    }
)


#: What an agent tells that is wrong with its node beyond broken cards.
_TROUBLES = STANDSTILLS | {Reason.NVML_UNAVAILABLE, Reason.FLASH_TOOL_SILENT}


def degraded(view: PoolView) -> Verdict:
    """Verdict for Degraded: something is broken while the rest goes on."""
    bad = [card for card in view.cards if broken(card.card)]
    if bad:
        said = next((c.card.health_message for c in bad if c.card.health == "Unhealthy"), None) or next(
            (c.card.last_flash.message for c in bad if c.card.last_flash and c.card.last_flash.message), ""
        )
        flash = any(c.card.last_flash and c.card.last_flash.result == "Failed" for c in bad)
        reason = Reason.FLASH_FAILED if flash else Reason.CARD_UNHEALTHY
        return yes(
            reason,
            f"{len(bad)} of {count(len(view.cards), 'card')} broken: {names(c.label for c in bad)}. {said}".strip(),
        )
    for node_view in view.views:
        trouble = _own_trouble(node_view)
        if trouble is not None and trouble.reason in _TROUBLES:
            return yes(Reason.named(trouble.reason) or Reason.WAITING_FOR_CARDS, f"{node_view.name}: {trouble.message}")
    unpowered = [plan for plan in view.plan.nodes.values() if plan.reason in _POWER_TROUBLES]
    if unpowered:
        return yes(unpowered[0].reason, f"{names(plan.node for plan in unpowered)}: {unpowered[0].message}")
    away = [v.name for v in view.views if not v.node.ready and not switching(v.record)]
    if away:
        return yes(Reason.NODE_NOT_READY, f"Kubernetes says that {names(away)} is not ready.")
    if view.claims.refused:
        return yes(Reason.NODE_CLAIMED_BY_OTHER_POOL, claimed_message(view))
    return no(Reason.AS_EXPECTED, "Nothing is broken.")


def paused(view: PoolView) -> Verdict:
    """Verdict for UpgradePaused."""
    pool = view.facts.pool
    if pool.spec.upgrade_policy.paused:
        return yes(Reason.PAUSED_BY_ADMIN, "spec.upgradePolicy.paused is true; set it to false to go on.")
    if view.plan.breaker:
        return yes(Reason.CIRCUIT_BREAKER_OPEN, view.plan.breaker)
    return no(Reason.AS_EXPECTED, "Bitstreams may be changed.")


def _card_nodes(view: PoolView) -> list[AsrCardNode]:
    return [v.card_node for v in view.views if v.card_node]
