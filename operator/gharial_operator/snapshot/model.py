"""Gathers what a decision about a model needs."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gharial_api import AsrCardPool, AsrModel, names
from gharial_api.base import JsonObject

from gharial_operator import kinds
from gharial_operator.facts import DeploymentFacts, GatewayFacts, ModelFacts, Offer, PodStreams, RouteFacts
from gharial_operator.kinds import Kind
from gharial_operator.policies.card_supply import offer
from gharial_operator.seen import Seen
from gharial_operator.snapshot import views
from gharial_operator.snapshot.reads import Reads
from gharial_operator.snapshot.shared import SharedReads
from gharial_operator.snapshot.streams import StreamsReader


async def gather_model(reads: Reads, model: AsrModel, streams: StreamsReader, shared: SharedReads) -> ModelFacts:
    """Reads a model's pool, children, pods and gateway; what other models look at too is worked out once for all."""
    reference, namespace = model.spec.pool_ref.name, model.metadata.namespace
    apis = await reads.optional_apis()
    machines = await shared.read(f"pool/{reference}", lambda: _machines(reads, reference))
    wanted = await shared.read("wanted", lambda: _wanted(reads))
    pods = await reads.list(views.PODS, namespace, {names.MODEL_LABEL: model.metadata.name})
    children = await _children(reads, model, apis)
    facts = sorted((seen.value.facts for seen in pods), key=lambda pod: (pod.created, pod.name))
    deployment, route = children.get(kinds.DEPLOYMENT), children.get(kinds.HTTP_ROUTE)
    own = 0 if model.metadata.deletion_timestamp else model.spec.replicas
    return ModelFacts(
        model=model,
        now=datetime.now(UTC),
        pool=machines.pool,
        offer=machines.offer,
        taken=max(0, wanted[reference] - own),
        pods=tuple(facts),
        streams=await _streams(streams, [pod.ip for pod in facts if pod.ip and not pod.waiting]),
        deployment=deployment.value if deployment else DeploymentFacts(),
        route=route.value if route else RouteFacts(),
        gateway=await _gateway(reads, model, apis),
        apis=apis,
        children={kind.kind: seen.live for kind, seen in children.items()},
    )


async def _children(reads: Reads, model: AsrModel, apis: frozenset[str]) -> dict[Kind, Seen[Any]]:
    """The model's live objects; all of them carry the model's own name."""
    found: dict[Kind, Seen[Any]] = {}
    for kind in kinds.MODEL_CHILDREN:
        if kind in kinds.OPTIONAL and kind.kind not in apis:
            continue
        seen = await reads.get(views.CHILDREN[kind], model.metadata.name, model.metadata.namespace)
        if seen is not None:
            found[kind] = seen
    return found


@dataclass(frozen=True)
class _Machines:
    """A pool and what it offers; nothing when there is no such pool."""

    pool: AsrCardPool | None = None
    offer: Offer = field(default_factory=Offer)


async def _machines(reads: Reads, reference: str) -> _Machines:
    seen = await reads.get(views.POOLS, reference)
    if seen is None:
        return _Machines()
    pool = seen.value
    card_nodes = await reads.list(views.CARD_NODES, labels={names.POOL_LABEL: reference})
    return _Machines(pool, offer(pool, [seen.value for seen in card_nodes]))


async def _wanted(reads: Reads) -> Counter[str]:
    """Replicas of all models by the name of their pool."""
    wanted: Counter[str] = Counter()
    for seen in await reads.list(views.MODELS):
        if seen.value.metadata.deletion_timestamp is None:
            wanted[seen.value.spec.pool_ref.name] += seen.value.spec.replicas
    return wanted


async def _streams(reader: StreamsReader, addresses: list[str]) -> dict[str, PodStreams]:
    found = await asyncio.gather(*(reader(address) for address in addresses))
    return {address: streams for address, streams in zip(addresses, found, strict=True) if streams is not None}


async def _gateway(reads: Reads, model: AsrModel, apis: frozenset[str]) -> GatewayFacts:
    ref = model.spec.routing.gateway_ref
    if ref is None or kinds.HTTP_ROUTE.kind not in apis:
        return GatewayFacts()
    seen = await reads.get(views.GATEWAYS, ref.name, ref.namespace or model.metadata.namespace)
    if seen is None:
        return GatewayFacts()
    live = seen.live
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
