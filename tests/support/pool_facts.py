"""Facts for tests of pure policies: pools, nodes and cards as a snapshot would hold them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gharial_api import AsrCardNode, AsrCardPool, AsrModel
from gharial_operator.facts import NodeFacts, PodView, PoolFacts
from gharial_operator.policies.rollout import NodeView
from machines import card
from manifests import model, pool

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
LABELS = {"asr.gharial.dev/cards": "simulated"}


def a_pool(name: str = "cards", created: str = "2026-01-01T00:00:00Z", **spec: Any) -> AsrCardPool:
    """A pool as the API server would return it."""
    return AsrCardPool.model_validate(_stored(pool(name, **spec), created))


def a_model(name: str = "english", **spec: Any) -> AsrModel:
    """A model as the API server would return it."""
    return AsrModel.model_validate(_stored(model(name, **spec), "2026-01-01T00:00:00Z"))


def _stored(manifest: dict[str, Any], created: str) -> dict[str, Any]:
    meta = {"uid": f"uid-{manifest['metadata']['name']}", "generation": 1, "creationTimestamp": created}
    return {**manifest, "metadata": {**manifest["metadata"], **meta}}


def a_node(name: str = "node-a", **fields: Any) -> NodeFacts:
    """A good node that the pool selects."""
    usual = {"name": name, "labels": LABELS, "ready": True, "cpu_cores": 4.0, "memory_bytes": 2**34}
    return NodeFacts(**{**usual, **fields})


def a_card_node(
    name: str,
    *cards: dict[str, Any],
    flash: str = "Hold",
    pool_name: str = "cards",
    target: str = "1.2.0",
    rollout: dict[str, Any] | None = None,
) -> AsrCardNode:
    """A node's object with its agent's report on a target; without cards the agent has not reported."""
    spec = {"poolRef": {"name": pool_name}, "nodeName": name, "driver": "simulated", "flash": flash}
    spec |= {"rollout": rollout or {}}
    status = {"observedGeneration": 1, "cards": list(cards), "bitstream": {"target": target}} if cards else {}
    return AsrCardNode.model_validate({"metadata": {"name": name}, "spec": spec, "status": status})


def view(
    name: str,
    *cards: dict[str, Any],
    flash: str = "Hold",
    pods: tuple[PodView, ...] = (),
    rollout: dict[str, Any] | None = None,
    **node: Any,
) -> NodeView:
    """A node together with its object, and the pods on it."""
    return NodeView(a_node(name, **node), a_card_node(name, *cards, flash=flash, rollout=rollout), pods)


#: Fields of a node that the rollout has cordoned.
OURS = {"cordoned": True, "cordon_mark": "cards", "cordon_written_by_us": True}


def a_pod(node: str, name: str = "english-1", **fields: Any) -> PodView:
    """A server pod."""
    return PodView("default", name, f"uid-{name}", node, **fields)


def stored(state: str, seconds_ago: float = 0.0, **fields: Any) -> dict[str, Any]:
    """What was stored of a node's way to the pool's bitstream."""
    since = (NOW - timedelta(seconds=seconds_ago)).isoformat()
    return {"state": state, "since": since, "goal": "1.2.0 0123456789abcdef", **fields}


def old(**fields: Any) -> dict[str, Any]:
    """A card that runs the bitstream before."""
    return card(bitstream="1.1.0", **fields)


def failed(attempt: int, seconds_ago: float) -> dict[str, Any]:
    """A card whose last flash failed."""
    last = {
        "attempt": attempt,
        "result": "Failed",
        "time": (NOW - timedelta(seconds=seconds_ago)).isoformat(),
        "version": "1.2.0",
        "message": "The flash tool ended with status 3.",
    }
    return old(phase="Failed", lastFlash=last)


def flashed(seconds_ago: float) -> dict[str, Any]:
    """A card that got the new bitstream some time ago."""
    when = (NOW - timedelta(seconds=seconds_ago)).isoformat()
    return card(lastFlash={"attempt": 1, "result": "Succeeded", "time": when, "version": "1.2.0"})


def pool_facts(pool: AsrCardPool, *views: NodeView) -> PoolFacts:
    """A pool that owns these nodes and no others."""
    nodes = tuple(view.card_node for view in views if view.card_node)
    power = {view.name: view.power for view in views if view.power}
    return PoolFacts(pool, NOW, tuple(view.node for view in views), nodes, power=power)
