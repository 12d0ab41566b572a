"""Gathers what a decision about a pool needs."""

import asyncio
from datetime import UTC, datetime

from gharial_api import AsrCardNode, AsrCardPool, AsrModel, names
from gharial_api.base import JsonObject

from gharial_operator import kinds
from gharial_operator.api_client import ApiClient
from gharial_operator.facts import PodView, PoolFacts
from gharial_operator.policies.machines import MANAGED_DRIVERS
from gharial_operator.snapshot.nodes import node_facts
from gharial_operator.snapshot.pods import pod_facts


async def gather_pool(client: ApiClient, live: JsonObject) -> PoolFacts:
    """Reads nodes, card nodes, other pools and models for one pool."""
    nodes, card_nodes, pools, models = await asyncio.gather(
        client.list(kinds.NODE), client.list(kinds.CARD_NODE), client.list(kinds.POOL), client.list(kinds.MODEL)
    )
    pool = AsrCardPool.model_validate(live)
    others = [AsrCardPool.model_validate(item) for item in pools if item["metadata"]["uid"] != pool.metadata.uid]
    users = [AsrModel.model_validate(item) for item in models if item["spec"]["poolRef"]["name"] == pool.metadata.name]
    return PoolFacts(
        pool=pool,
        now=datetime.now(UTC),
        cluster_nodes=tuple(sorted((node_facts(node) for node in nodes), key=lambda node: node.name)),
        card_nodes=tuple(AsrCardNode.model_validate(item) for item in card_nodes),
        other_pools=tuple(others),
        models=tuple(users),
        pods=await _pods(client, pool) if pool.spec.driver in MANAGED_DRIVERS else (),
        live={item["metadata"]["name"]: item for item in card_nodes},
    )


async def _pods(client: ApiClient, pool: AsrCardPool) -> tuple[PodView, ...]:
    """Pods of the pool's models that have a node, with what their disruption budgets say."""
    selector = f"{names.POOL_LABEL}={pool.metadata.name},{names.MODEL_LABEL}"
    pods, budgets = await asyncio.gather(
        client.list(kinds.POD, selector=selector), client.list(kinds.DISRUPTION_BUDGET, selector=selector)
    )
    by_model = {(item["metadata"]["namespace"], item["metadata"]["name"]): item for item in budgets}
    return tuple(_pod(pod, by_model) for pod in pods if pod["spec"].get("nodeName"))


def _pod(pod: JsonObject, budgets: dict[tuple[str, str], JsonObject]) -> PodView:
    meta, facts = pod["metadata"], pod_facts(pod)
    budget = budgets.get((meta["namespace"], meta["labels"][names.MODEL_LABEL]))
    # A pod that is not ready may go whatever its budget says.
    blocked = _blocked(budget) if budget and facts.ready and not facts.terminating else ""
    return PodView(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        node=pod["spec"]["nodeName"],
        terminating=facts.terminating,
        blocked=blocked,
        grace=int(meta.get("deletionGracePeriodSeconds", 0)),
    )


def _blocked(budget: JsonObject) -> str:
    status = budget.get("status", {})
    if status.get("disruptionsAllowed", 0) > 0:
        return ""
    meta, healthy, wanted = budget["metadata"], status.get("currentHealthy", 0), status.get("expectedPods", 0)
    name = f"{meta['namespace']}/{meta['name']}"
    return f"PodDisruptionBudget {name} lets no pod go while {healthy} of {wanted} are healthy."
