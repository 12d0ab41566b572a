"""Cards that nobody flashes: whole cores and GPUs, counted from what the nodes offer."""

from collections.abc import Iterable

from gharial_api import AsrCardPool

from gharial_operator.facts import NodeFacts
from gharial_operator.quantity import parse_quantity

#: Drivers whose cards our agent manages and publishes for scheduling.
MANAGED_DRIVERS = frozenset({"achronix", "simulated"})


def machine_cards(pool: AsrCardPool, nodes: Iterable[NodeFacts]) -> int:
    """How many pods of the pool fit on these nodes when nothing else runs there."""
    usable = [node for node in nodes if node.ready and not node.cordoned]
    if pool.spec.driver == "cuda":
        return sum(node.gpus for node in usable)
    if pool.spec.driver == "cpu":
        each = float(parse_quantity(pool.spec.pod_resources.cpu))
        return sum(int(node.cpu_cores / each) for node in usable)
    return 0
