"""Gathers what a decision about a pool needs."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from gharial_api import AsrCardPool

from gharial_operator.api_client import ApiClient
from gharial_operator.config import OperatorConfig
from gharial_operator.facts import GpuDevice, Held, PodView, PoolFacts, PowerAnswer
from gharial_operator.policies.machines import MANAGED_DRIVERS
from gharial_operator.policies.rollout import Desired
from gharial_operator.snapshot import views
from gharial_operator.snapshot.machines import read_gpu_devices, read_held
from gharial_operator.snapshot.node_pods import model_pods, pods_of_node
from gharial_operator.snapshot.reads import Reads


async def gather_pool(
    client: ApiClient, reads: Reads, pool: AsrCardPool, config: OperatorConfig, power: Mapping[str, PowerAnswer]
) -> PoolFacts:
    """Reads nodes, card nodes, other pools and models for one pool. power: what its machines' controllers said last."""
    held, devices = await _machines(client, pool)
    card_nodes = await reads.list(views.CARD_NODES)
    facts = PoolFacts(
        pool=pool,
        now=datetime.now(UTC),
        cluster_nodes=tuple(seen.value for seen in await reads.list(views.NODES)),
        card_nodes=tuple(seen.value for seen in card_nodes),
        other_pools=tuple(seen.value for seen in await reads.list(views.POOLS) if seen.uid != pool.metadata.uid),
        models=tuple(
            seen.value for seen in await reads.list(views.MODELS) if seen.value.spec.pool_ref.name == pool.metadata.name
        ),
        live={seen.name: seen for seen in card_nodes},
        power=power,
        held=held,
        gpu_devices=devices,
    )
    return replace(facts, pods=await gather_pods(client, reads, facts, config))


async def _machines(client: ApiClient, pool: AsrCardPool) -> tuple[dict[str, Held], tuple[GpuDevice, ...]]:
    """What a pool of cores or GPUs asks of nodes beside the nodes themselves."""
    if pool.spec.driver in MANAGED_DRIVERS:
        return {}, ()
    devices = await read_gpu_devices(client) if pool.spec.driver == "cuda" else ()
    return await read_held(client, pool.metadata.name), devices


async def gather_pods(client: ApiClient, reads: Reads, facts: PoolFacts, config: OperatorConfig) -> tuple[PodView, ...]:
    """Pods of the pool's models, and every pod of the machines that are to lose their power.

    The latter are always asked for: nobody watches all pods of a cluster for them.
    """
    if facts.pool.spec.driver not in MANAGED_DRIVERS:
        return ()
    emptied = _emptied(facts)
    of_models = await model_pods(reads, facts.pool.metadata.name)
    found = await asyncio.gather(*(pods_of_node(client, name, config) for name in sorted(emptied)))
    return (*(pod for pod in of_models if pod.node not in emptied), *(pod for pods in found for pod in pods))


def _emptied(facts: PoolFacts) -> set[str]:
    """Nodes whose machines are to lose their power, by name."""
    name = facts.pool.metadata.name
    powered = {
        node.metadata.name
        for node in facts.card_nodes
        if node.spec.pool_ref.name == name and node.spec.rollout.power is not None
    }
    if not Desired.of(facts.pool).whole_machine:
        return powered
    return powered | {node.name for node in facts.cluster_nodes if node.cordon_mark == name}
