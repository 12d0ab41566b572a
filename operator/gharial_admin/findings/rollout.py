"""Pools and their rollouts: who stands still, why, and who can end it."""

from collections.abc import Iterator
from datetime import datetime

from gharial_api import AsrCardNode, AsrCardPool
from gharial_api.conditions import Condition, Reason
from gharial_api.node import LICENCE_REASONS
from gharial_api.rollout import CORDON_ANNOTATION
from gharial_api.words import names as named

from gharial_admin.findings import pods
from gharial_admin.findings.finding import Code, Finding, Severity, error, warning
from gharial_admin.looking.snapshot import Snapshot, labels_of, name_of

#: A wait of this kind is worth a word after so many seconds.
LONG = 900.0
#: An agent that runs has reported after so many seconds.
SILENT = 120.0
_RETRY = "Mend the cause, then: kubectl gharial rollout retry {pool}. Or go back: kubectl gharial rollout undo {pool}"

#: Reasons of a node that only a person can end: severity, code, remedy.
STOPS: dict[str, tuple[Severity, Code, str]] = {
    Reason.FLASH_FAILED: ("error", Code.ROLLOUT_STOPPED, _RETRY),
    Reason.ROLLED_BACK: ("error", Code.ROLLOUT_STOPPED, _RETRY),
    Reason.DRAIN_TIMED_OUT: (
        "error",
        Code.ROLLOUT_STOPPED,
        "See its pods: kubectl get pods -A -o wide --field-selector spec.nodeName={node}. Wait for their streams, "
        "raise spec.upgradePolicy.drain.timeoutSeconds, or set onTimeout: Force, which cuts streams off.",
    ),
    Reason.CIRCUIT_BREAKER_OPEN: ("error", Code.ROLLOUT_STOPPED, _RETRY),
    Reason.CANARY_FAILED: ("error", Code.ROLLOUT_STOPPED, _RETRY),
    Reason.CHECKSUM_MISMATCH: (
        "error",
        Code.ROLLOUT_STOPPED,
        "Compare sha256sum FILE with spec.bitstream.sha256 of pool {pool}, and put the right one there.",
    ),
    Reason.BITSTREAM_UNAVAILABLE: (
        "error",
        Code.ROLLOUT_STOPPED,
        "Make the file of spec.bitstream reachable from the node, or correct url or configMap of pool {pool}.",
    ),
    Reason.LICENCE_VERSION_EXCEEDED: (
        "error",
        Code.ROLLOUT_STOPPED,
        "Renew the licences for the new bitstream, or go back: kubectl gharial rollout undo {pool}",
    ),
    Reason.POWER_CYCLE_REQUIRED: (
        "error",
        Code.ROLLOUT_STOPPED,
        "Power-cycle {node}: switch it off, wait 10 s, switch it on. A reboot is not enough.",
    ),
    Reason.POWER_CONTROLLER_UNKNOWN: (
        "error",
        Code.ROLLOUT_STOPPED,
        "Say where it is: kubectl annotate node {node} asr.gharial.dev/bmc=https://ADDRESS",
    ),
    Reason.POWER_CONTROLLER_FAILED: (
        "error",
        Code.ROLLOUT_HELD_UP,
        "Check address and login of the node's power controller (annotation asr.gharial.dev/bmc), or power-cycle "
        "{node} by hand: what is seen decides.",
    ),
    Reason.NODE_CORDONED_BY_ADMIN: (
        "warning",
        Code.ROLLOUT_HELD_UP,
        "When you are done with it: kubectl uncordon {node}",
    ),
    Reason.NODE_UNCORDONED_BY_ADMIN: (
        "warning",
        Code.ROLLOUT_HELD_UP,
        "Let the rollout have it: kubectl annotate node {node} asr.gharial.dev/cordoned-for-",
    ),
}
#: Reasons that end by themselves as a rule, and are worth a word when they last.
LASTING: dict[str, str] = {
    Reason.PDB_BLOCKED: "Keep a card free, or raise spec.rollout.maxUnavailable of the model whose pods stay.",
    Reason.WAITING_FOR_BUDGET: "Mend the nodes that are down, take them out of the pool, or raise maxUnavailable.",
    Reason.MIN_AVAILABLE_STREAMS: "Add cards, or lower spec.upgradePolicy.minAvailableStreams.",
}


def why(node: AsrCardNode) -> tuple[str, str]:
    """Reason and sentence of a node's state."""
    reason, colon, sentence = node.spec.flash_reason.partition(": ")
    return (reason, sentence) if colon else ("", node.spec.flash_reason)


def switching(node: AsrCardNode) -> bool:
    """Whether the rollout itself has the node's power off, or is about to: then it is not ready, and that is well."""
    power = node.spec.rollout.power
    return power is not None and power.step != "Waiting" and why(node)[0] == Reason.POWER_CYCLING


def rollout(seen: Snapshot) -> Iterator[Finding]:
    """Pools that do not reach what they shall."""
    yield from _overlaps(seen)
    yield from _left_cordons(seen)
    for pool in seen.pools:
        found = list(_pool(seen, pool))
        yield from found
        if not found:
            yield from _unexplained(seen, pool)


def _pool(seen: Snapshot, pool: AsrCardPool) -> Iterator[Finding]:
    name = pool.metadata.name
    behind = [node for node in seen.nodes_of(pool) if node.spec.rollout.state != "Done"]
    if pool.spec.upgrade_policy.paused and behind:
        yield warning(
            Code.ROLLOUT_PAUSED,
            f"pool {name}",
            f"Paused by an admin with {len(behind)} of {len(seen.nodes_of(pool))} nodes to go.",
            f"Go on: kubectl gharial rollout resume {name}",
        )
    groups: dict[str, list[AsrCardNode]] = {}
    for node in behind:
        groups.setdefault(why(node)[0], []).append(node)
    for reason, nodes in groups.items():
        yield from _group(seen, name, reason, nodes)


def _group(seen: Snapshot, pool: str, reason: str, nodes: list[AsrCardNode]) -> Iterator[Finding]:
    """One finding for all nodes of a pool that stand still for the same reason."""
    since = min((node.spec.rollout.since for node in nodes if node.spec.rollout.since), default=None)
    who = named(node.spec.node_name for node in nodes)
    words = {"pool": pool, "node": nodes[0].spec.node_name}
    says = why(nodes[0])[1] if len(nodes) == 1 else f"{who}: {why(nodes[0])[1]}"
    subject = f"node {who}" if len(nodes) == 1 else f"pool {pool}"
    if reason in STOPS:
        severity, code, remedy = STOPS[reason]
        yield Finding(code, severity, subject, says, remedy.format(**words), since)
    elif reason == Reason.BACKING_OFF:
        yield warning(Code.FLASH_RETRIED, subject, says, "Nothing: it is tried again by itself.", since)
    elif reason in LASTING and since is not None and _long(since, seen.now) and not _moves(seen, pool, nodes):
        yield warning(Code.ROLLOUT_HELD_UP, subject, says, LASTING[reason], since)


def _long(since: datetime, now: datetime) -> bool:
    return (now - since).total_seconds() > LONG


def _moves(seen: Snapshot, pool: str, waiting: list[AsrCardNode]) -> bool:
    """Whether another node of the pool is on its way, so that the wait has an end."""
    names = {node.metadata.name for node in waiting}
    under_way = {"Cordoned", "WaitingForStreams", "Drained", "Flashing", "PowerCycling", "Enumerating", "Validating"}
    return any(
        node.spec.rollout.state in under_way
        for node in seen.card_nodes
        if node.spec.pool_ref.name == pool and node.metadata.name not in names
    )


#: Told by cards, licences, nodes or the two pools themselves.
_TOLD = frozenset(
    {
        Reason.CARD_UNHEALTHY,
        Reason.WAITING_FOR_CARDS,
        Reason.FLASH_FAILED,
        Reason.NODE_NOT_READY,
        Reason.NODE_CLAIMED_BY_OTHER_POOL,
        Reason.DELETING,
        *LICENCE_REASONS.values(),
    }
)


def _unexplained(seen: Snapshot, pool: AsrCardPool) -> Iterator[Finding]:
    """A pool that is not Ready, or Degraded, for a reason that no card and no node has told."""
    for condition in pool.status.conditions:
        if (condition.type, condition.status) not in {("Ready", "False"), ("Degraded", "True")}:
            continue
        silent = condition.reason == Reason.AGENT_NOT_REPORTING
        if condition.reason in _TOLD or (silent and not _in_vain(seen, pool, condition)):
            continue
        name = pool.metadata.name
        yield error(
            Code.POOL_NOT_READY,
            f"pool {name}",
            f"{condition.message} ({condition.reason})",
            f"See: kubectl describe asrcardpool {name}",
            condition.last_transition_time,
        )
        return


def _in_vain(seen: Snapshot, pool: AsrCardPool, condition: Condition) -> bool:
    """Whether agents stay silent though they run: where one does not run, that is told elsewhere."""
    agents = pods.agents(seen)
    run = all(node.spec.node_name in agents and pods.ready(agents[node.spec.node_name]) for node in seen.nodes_of(pool))
    return run and (seen.now - condition.last_transition_time).total_seconds() > SILENT


def _overlaps(seen: Snapshot) -> Iterator[Finding]:
    pools = sorted(seen.pools, key=lambda pool: (pool.metadata.creation_timestamp, pool.metadata.name))
    taken: dict[str, str] = {}
    clashes: dict[tuple[str, str], list[str]] = {}
    for pool in pools:
        for node in seen.all("nodes"):
            if not pool.spec.node_selector.items() <= labels_of(node).items():
                continue
            holder = taken.setdefault(name_of(node), pool.metadata.name)
            if holder != pool.metadata.name:
                clashes.setdefault((holder, pool.metadata.name), []).append(name_of(node))
    for (holder, refused), nodes in clashes.items():
        yield error(
            Code.POOLS_OVERLAP,
            f"pools {holder} and {refused}",
            f"Both select {named(nodes)}; {holder} is older and keeps {'it' if len(nodes) == 1 else 'them'}.",
            "Narrow one of the two nodeSelectors.",
        )


def _left_cordons(seen: Snapshot) -> Iterator[Finding]:
    pools = {pool.metadata.name for pool in seen.pools}
    if not seen.saw("asrcardpools"):
        return
    for node in seen.all("nodes"):
        mark = (node["metadata"].get("annotations") or {}).get(CORDON_ANNOTATION)
        if mark and mark not in pools and (node.get("spec") or {}).get("unschedulable"):
            name = name_of(node)
            yield error(
                Code.CORDON_LEFT_BEHIND,
                f"node {name}",
                f"It is cordoned for pool {mark}, which is gone. A running operator gives it back.",
                f"kubectl uncordon {name}; kubectl annotate node {name} {CORDON_ANNOTATION}-",
            )
