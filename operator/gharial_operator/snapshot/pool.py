"""Gathers what a decision about a pool needs."""

import asyncio
from datetime import UTC, datetime

from gharial_api import AsrCardNode, AsrCardPool, AsrModel
from gharial_api.base import JsonObject

from gharial_operator import kinds
from gharial_operator.api_client import ApiClient
from gharial_operator.facts import PoolFacts
from gharial_operator.snapshot.nodes import node_facts


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
    )
