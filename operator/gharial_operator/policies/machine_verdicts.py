"""Ready of a pool of GPUs or cores: is there room for a pod, and if not, what takes it."""

from collections.abc import Sequence

from gharial_api import AsrCardPool
from gharial_api.conditions import Reason
from gharial_api.words import count, names

from gharial_operator.facts import NodeFacts, PoolFacts
from gharial_operator.policies.machines import Room, offered
from gharial_operator.policies.verdict import Verdict, no, yes

_HOW_TO = "See docs/how-to/run-on-gpus.md."


def machines_ready(
    facts: PoolFacts, nodes: Sequence[NodeFacts], rooms: Sequence[Room], silent: Sequence[str]
) -> Verdict:
    """Verdict for Ready: a pod fits somewhere.

    Args:
        facts: the pool, and what is published and held on nodes.
        nodes, rooms: the pool's nodes, and what each has for its pods.
        silent: nodes from which no agent reports how their GPUs are.
    """
    pool = facts.pool
    if pool.spec.driver == "cuda" and not offered(facts, nodes):
        return no(Reason.GPUS_NOT_OFFERED, _not_offered(facts, nodes))
    where, short = count(len(nodes), "node"), _short(rooms)
    free = sum(room.free for room in rooms)
    if not free:
        return no(Reason.NO_CARDS_FOUND, f"No pod of {_pod(pool)} fits on {where}: {short}. {_remedy(pool)}")
    head = f"{count(free, 'pod')} of {_pod(pool)} {'fits' if free == 1 else 'fit'} on {where}"
    tail = f"; {short}." if short else "."
    unseen = [room.node for room in rooms if room.node in silent and room.total]
    return yes(Reason.CARDS_READY, f"{head}{tail}{_unseen(unseen)}")


def _short(rooms: Sequence[Room]) -> str:
    """What takes the room on the nodes where there is less than there could be."""
    return names(f"{room.node} {room.why}" for room in rooms if room.why)


def _pod(pool: AsrCardPool) -> str:
    """`one nvidia.com/gpu, 4 cores and 4Gi`."""
    spec = pool.spec
    size = f"{spec.pod_resources.cpu} {'core' if spec.pod_resources.cpu == '1' else 'cores'} and "
    size += spec.pod_resources.memory
    if spec.driver != "cuda":
        return size
    claim = spec.gpu_claim
    return f"one {claim.resource_name if claim.claim_by == 'DevicePlugin' else claim.device_class_name}, {size}"


def _remedy(pool: AsrCardPool) -> str:
    if pool.spec.driver == "cuda":
        return "Free GPUs or add nodes, look at the sick ones, or change spec.gpu or spec.podResources."
    return "Free cores there, add nodes, or lower spec.podResources."


def _not_offered(facts: PoolFacts, nodes: Sequence[NodeFacts]) -> str:
    """Which of NVIDIA's two components is missing, and whether the other one is there."""
    claim = facts.pool.spec.gpu_claim
    here = {node.name for node in nodes}
    where = names(sorted(here))
    if claim.claim_by == "DevicePlugin":
        published = sum(device.node in here for device in facts.gpu_devices)
        if published:
            return (
                f"No node offers {claim.resource_name}, but NVIDIA's DRA driver publishes "
                f"{count(published, 'device')} on {where}: set spec.gpu.claimBy to ResourceClaim."
            )
        others = sorted({name for node in nodes for name in node.gpu_capacity})
        if others:
            return f"No node offers {claim.resource_name}, but {where} have {names(others)}: set spec.gpu.resourceName."
        return (
            f"No node offers {claim.resource_name} ({where}): install NVIDIA's GPU operator, or its driver, container "
            f"toolkit and device plugin. {_HOW_TO}"
        )
    if any(node.gpu_capacity.get("nvidia.com/gpu") for node in nodes):
        return (
            f"NVIDIA's DRA driver publishes nothing on {where}, but its device plugin offers nvidia.com/gpu: set "
            "spec.gpu.claimBy to DevicePlugin."
        )
    return f"NVIDIA's DRA driver publishes nothing on {where}: install it with its GPUs enabled. {_HOW_TO}"


def _unseen(silent: Sequence[str]) -> str:
    """GPUs whose health nobody looks at."""
    if not silent:
        return ""
    return f" Nobody looks at the health of the GPUs of {names(silent)}: the chart's value gpus.enabled does."
