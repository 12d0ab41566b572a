"""Cards that nobody flashes: whole cores and GPUs. How many pods of a pool fit on its nodes, and why not more."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from gharial_api import AsrCardPool
from gharial_api.gpu import NODE_TAINT
from gharial_api.node import Card
from gharial_api.words import count

from gharial_operator.facts import GpuDevice, Held, NodeFacts, PoolFacts
from gharial_operator.policies.cards import broken
from gharial_operator.quantity import parse_quantity

#: Drivers whose cards our agent manages and publishes for scheduling.
MANAGED_DRIVERS = frozenset({"achronix", "simulated"})
#: Drivers whose cards an agent reports, in an AsrCardNode.
REPORTED_DRIVERS = MANAGED_DRIVERS | {"cuda"}
#: Other pods come and go without waking a pool; it looks again after so many seconds.
LOOK_SECONDS = 60.0

_GIBIBYTE = 2**30


@dataclass(frozen=True)
class Room:
    """What a node has for the pool's pods. total: if nothing else ran there. free: as things are, the pool's own pods
    included. why: what takes the difference, in a few words."""

    node: str
    total: int
    free: int
    why: str = ""


@dataclass(frozen=True)
class _Limit:
    """One thing that bounds how many pods fit."""

    total: int
    free: int
    why: str


def rooms(facts: PoolFacts, nodes: Iterable[NodeFacts]) -> tuple[Room, ...]:
    """What each of these nodes has for the pool."""
    return tuple(_room(facts, node) for node in nodes)


def _room(facts: PoolFacts, node: NodeFacts) -> Room:
    pool, held = facts.pool, facts.held.get(node.name, Held())
    limits = [_cores(pool, node, held), _memory(pool, node, held)]
    if pool.spec.driver == "cuda":
        limits.insert(0, _gpus(facts, node, held))
    total = min(limit.total for limit in limits)
    closed = _closed(pool, node)
    if closed:
        return Room(node.name, total, 0, closed)
    least = min(limits, key=lambda limit: limit.free)
    return Room(node.name, total, least.free, least.why if least.free < total or total == 0 else "")


def _closed(pool: AsrCardPool, node: NodeFacts) -> str:
    """Why no pod can go there at all; empty when one can."""
    if not node.ready:
        return "is not ready"
    if node.cordoned:
        return "is cordoned"
    tolerated = {NODE_TAINT} if pool.spec.driver == "cuda" else set()
    keys = [key for key in node.taints if key not in tolerated]
    return f"has the taint {keys[0]}" if keys else ""


def _cores(pool: AsrCardPool, node: NodeFacts, held: Held) -> _Limit:
    each = float(parse_quantity(pool.spec.pod_resources.cpu))
    left = max(0.0, node.cpu_cores - held.cpu_cores)
    why = f"has {left:.4g} of {node.cpu_cores:.4g} cores left"
    return _Limit(_fitting(node.cpu_cores, each), _fitting(left, each), why)


def _memory(pool: AsrCardPool, node: NodeFacts, held: Held) -> _Limit:
    each = float(parse_quantity(pool.spec.pod_resources.memory))
    left = max(0, node.memory_bytes - held.memory_bytes)
    why = f"has {left / _GIBIBYTE:.1f} of {node.memory_bytes / _GIBIBYTE:.1f} GiB of memory left"
    return _Limit(_fitting(node.memory_bytes, each), _fitting(left, each), why)


def _fitting(whole: float, each: float) -> int:
    """How often a part fits; sums of tenths are taken for what they mean."""
    return math.floor(Fraction(whole).limit_denominator(1000) / Fraction(each).limit_denominator(1000))


def _gpus(facts: PoolFacts, node: NodeFacts, held: Held) -> _Limit:
    claim = facts.pool.spec.gpu_claim
    sick = sick_gpus(facts, node.name)
    if claim.claim_by == "ResourceClaim":
        devices = [device for device in facts.gpu_devices if device.node == node.name and fits(facts.pool, device)]
        good = [d for d in devices if not d.taint and not {d.uuid, d.parent} & sick]
        return _Limit(len(devices), len(good), _lack(len(devices), len(devices) - len(good), 0))
    offered, total = node.gpus.get(claim.resource_name, 0), node.gpu_capacity.get(claim.resource_name, 0)
    total = max(offered, total)
    # A slice or a part of a GPU cannot be told from the others: there NVIDIA's own count stands.
    whole = total == len(sick) + _healthy(facts, node.name)
    good_ones = min(offered, total - len(sick)) if whole else offered
    others = held.gpus.get(claim.resource_name, 0)
    return _Limit(total, max(0, good_ones - others), _lack(total, total - good_ones, others))


def _lack(total: int, sick: int, others: int) -> str:
    if total == 0:
        return "offers no GPU"
    parts = [f"{sick} sick"] if sick else []
    parts += [f"{others} with other pods"] if others else []
    return f"has {count(total, 'GPU')}, {' and '.join(parts)}"


def fits(pool: AsrCardPool, device: GpuDevice) -> bool:
    """Whether the pool's claims would take the device. A DeviceClass of one's own is taken to allow all but vfio."""
    claim = pool.spec.gpu_claim
    kinds = {"gpu.nvidia.com": {"gpu"}, "mig.nvidia.com": {"mig"}}.get(claim.device_class_name, {"gpu", "mig"})
    least = int(parse_quantity(claim.min_memory)) if claim.min_memory else 0
    product = claim.product_name in {None, device.product}
    return device.kind in kinds and product and device.memory_bytes >= least


def sick_gpus(facts: PoolFacts, node: str) -> set[str]:
    """UUIDs of the GPUs that the node's agent calls unhealthy."""
    return {card.unique_id for card in _reported(facts, node) if broken(card)}


def _healthy(facts: PoolFacts, node: str) -> int:
    return sum(not broken(card) for card in _reported(facts, node))


def _reported(facts: PoolFacts, node: str) -> Sequence[Card]:
    return [card for item in facts.card_nodes if item.metadata.name == node for card in item.status.cards]


def offered(facts: PoolFacts, nodes: Sequence[NodeFacts]) -> bool:
    """Whether any node offers GPUs in the way that the pool claims them, be they free or not."""
    claim, here = facts.pool.spec.gpu_claim, {node.name for node in nodes}
    if claim.claim_by == "ResourceClaim":
        return any(device.node in here for device in facts.gpu_devices)
    return any(claim.resource_name in {**node.gpus, **node.gpu_capacity} for node in nodes)
