"""Gathers what a decision about a model needs."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from gharial_api import AsrCardNode, AsrCardPool, AsrModel, names
from gharial_api.base import JsonObject

from gharial_operator import kinds
from gharial_operator.api_client import ApiClient, ApiError
from gharial_operator.facts import DeploymentFacts, GatewayFacts, ModelFacts, NodeFacts, PodStreams, RouteFacts
from gharial_operator.kinds import Kind
from gharial_operator.policies.words import selector
from gharial_operator.snapshot.nodes import node_facts
from gharial_operator.snapshot.pods import pod_facts
from gharial_operator.snapshot.shared import API_SECONDS, SharedReads
from gharial_operator.snapshot.streams import StreamsReader


async def gather_model(client: ApiClient, live: JsonObject, streams: StreamsReader, shared: SharedReads) -> ModelFacts:
    """Reads a model's pool, children, pods and gateway; what other models read too is shared with them."""
    model = AsrModel.model_validate(live)
    reference = model.spec.pool_ref.name
    apis, machines, models, pods = await asyncio.gather(
        shared.read("apis", lambda: available_apis(client), API_SECONDS),
        shared.read(f"pool/{reference}", lambda: _machines(client, reference)),
        shared.read("models", lambda: _all_models(client)),
        client.list(kinds.POD, model.metadata.namespace, f"{names.MODEL_LABEL}={model.metadata.name}"),
    )
    children = await gather_children(client, model, apis)
    facts = sorted((pod_facts(pod) for pod in pods), key=lambda pod: (pod.created, pod.name))
    return ModelFacts(
        model=model,
        now=datetime.now(UTC),
        pool=machines.pool,
        cluster_nodes=machines.nodes,
        card_nodes=machines.card_nodes,
        neighbours=tuple(other for other in models.get(reference, ()) if other.metadata.uid != model.metadata.uid),
        pods=tuple(facts),
        streams=await _streams(streams, [pod.ip for pod in facts if pod.ip and not pod.waiting]),
        deployment=_deployment(children.get(kinds.DEPLOYMENT.kind)),
        route=_route(children.get(kinds.HTTP_ROUTE.kind)),
        gateway=await _gateway(client, model, apis),
        apis=apis,
        children=children,
    )


async def available_apis(client: ApiClient) -> frozenset[str]:
    """Kinds of the optional APIs that the cluster serves."""
    found = set()
    for kind in kinds.OPTIONAL:
        try:
            answer = await client.request("GET", kind.root)
        except ApiError as error:
            if error.status != 404:
                raise
            continue
        if any(resource["kind"] == kind.kind for resource in answer.get("resources", [])):
            found.add(kind.kind)
    return frozenset(found)


async def gather_children(client: ApiClient, model: AsrModel, apis: frozenset[str]) -> dict[str, JsonObject]:
    """The model's live objects by kind; all of them carry the model's own name."""
    wanted = [kind for kind in kinds.MODEL_CHILDREN if kind not in kinds.OPTIONAL or kind.kind in apis]
    found = await asyncio.gather(*(_own_child(client, model, kind) for kind in wanted))
    return {kind.kind: child for kind, child in zip(wanted, found, strict=True) if child is not None}


async def _own_child(client: ApiClient, model: AsrModel, kind: Kind) -> JsonObject | None:
    return await client.get(kind, model.metadata.name, model.metadata.namespace)


@dataclass(frozen=True)
class _Machines:
    """A pool with its nodes and card nodes; all empty when there is no such pool."""

    pool: AsrCardPool | None = None
    nodes: tuple[NodeFacts, ...] = ()
    card_nodes: tuple[AsrCardNode, ...] = ()


async def _machines(client: ApiClient, reference: str) -> _Machines:
    live = await client.get(kinds.POOL, reference)
    if live is None:
        return _Machines()
    pool = AsrCardPool.model_validate(live)
    nodes, card_nodes = await asyncio.gather(
        client.list(kinds.NODE, selector=selector(pool.spec.node_selector)),
        client.list(kinds.CARD_NODE, selector=f"{names.POOL_LABEL}={reference}"),
    )
    return _Machines(
        pool,
        tuple(node_facts(node) for node in nodes),
        tuple(AsrCardNode.model_validate(item) for item in card_nodes),
    )


async def _all_models(client: ApiClient) -> dict[str, list[AsrModel]]:
    """Every model by the name of its pool."""
    by_pool: dict[str, list[AsrModel]] = {}
    for item in await client.list(kinds.MODEL):
        by_pool.setdefault(item["spec"]["poolRef"]["name"], []).append(AsrModel.model_validate(item))
    return by_pool


async def _streams(reader: StreamsReader, addresses: list[str]) -> dict[str, PodStreams]:
    found = await asyncio.gather(*(reader(address) for address in addresses))
    return {address: streams for address, streams in zip(addresses, found, strict=True) if streams is not None}


def _deployment(live: JsonObject | None) -> DeploymentFacts:
    if live is None:
        return DeploymentFacts()
    status = live.get("status", {})
    return DeploymentFacts(
        exists=True,
        replicas=int(status.get("replicas", 0)),
        updated=int(status.get("updatedReplicas", 0)),
        ready=int(status.get("readyReplicas", 0)),
        current=int(status.get("observedGeneration", 0)) >= int(live["metadata"].get("generation", 0)),
    )


def _route(live: JsonObject | None) -> RouteFacts:
    if live is None:
        return RouteFacts()
    conditions = [c for parent in live.get("status", {}).get("parents", []) for c in parent.get("conditions", [])]
    # A route is served when it is accepted and its references resolve.
    judged = [c for c in conditions if c["type"] in {"Accepted", "ResolvedRefs"}]
    refused = [c for c in judged if c["status"] != "True"]
    return RouteFacts(
        exists=True,
        judged=bool(judged),
        accepted=bool(judged) and not refused,
        message="; ".join(f"{c.get('reason', '')}: {c.get('message', '')}" for c in refused),
    )


async def _gateway(client: ApiClient, model: AsrModel, apis: frozenset[str]) -> GatewayFacts:
    ref = model.spec.routing.gateway_ref
    if ref is None or kinds.HTTP_ROUTE.kind not in apis:
        return GatewayFacts()
    live = await client.get(kinds.GATEWAY, ref.name, ref.namespace or model.metadata.namespace)
    if live is None:
        return GatewayFacts()
    addresses = live.get("status", {}).get("addresses", [])
    listeners = [
        listener
        for listener in live["spec"].get("listeners", [])
        if ref.section_name in {None, listener["name"]} and listener.get("protocol") in {"HTTP", "HTTPS"}
    ]
    first: JsonObject = listeners[0] if listeners else {"port": 80, "protocol": "HTTP"}
    return GatewayFacts(
        found=True,
        address=addresses[0]["value"] if addresses else "",
        port=int(first["port"]),
        tls=first["protocol"] == "HTTPS",
    )
