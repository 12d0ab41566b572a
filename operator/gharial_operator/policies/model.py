"""Decides about a model: its objects, its status, and whether it may go."""

from dataclasses import dataclass, field

from gharial_api import names
from gharial_api.base import JsonObject
from gharial_api.capacity import streams_per_card
from gharial_api.conditions import ConditionType
from gharial_api.model import ModelStatus
from gharial_api.words import selector

from gharial_operator.config import OperatorConfig
from gharial_operator.facts import ModelFacts
from gharial_operator.kinds import (
    CLAIM_TEMPLATE,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    HTTP_ROUTE,
    MODEL_CHILDREN,
    SERVICE,
    SERVICE_ACCOUNT,
    TRAFFIC_POLICY,
    Kind,
)
from gharial_operator.policies.model_verdicts import ModelView, capacity_available, progressing, ready, route_accepted
from gharial_operator.policies.verdict import conditions
from gharial_operator.quantity import whole_cores
from gharial_operator.specs.claim_template import build_claim_template, takes_claim
from gharial_operator.specs.common import pod_selector
from gharial_operator.specs.deployment import build_deployment
from gharial_operator.specs.disruption_budget import build_disruption_budget
from gharial_operator.specs.http_route import build_http_route
from gharial_operator.specs.service import build_service
from gharial_operator.specs.service_account import build_service_account
from gharial_operator.specs.traffic_policy import build_traffic_policy


@dataclass(frozen=True)
class ModelDecision:
    """What shall be so."""

    status: ModelStatus
    #: Objects that shall exist, in the order in which they are put up.
    children: tuple[tuple[Kind, JsonObject], ...] = ()
    #: Kinds whose object must go, in that order.
    remove: tuple[Kind, ...] = field(default=())
    #: Whether the finalizer stays on the object.
    hold: bool = True


def decide_model(facts: ModelFacts, config: OperatorConfig) -> ModelDecision:
    """From what is to what shall be."""
    view = ModelView(facts, _capacity(facts), _url(facts))
    status = _status(view)
    if facts.model.metadata.deletion_timestamp is not None:
        remove = _take_down(facts)
        return ModelDecision(status, remove=remove, hold=bool(facts.children) or bool(facts.pods))
    if facts.pool is None or view.capacity is None:
        return ModelDecision(status)
    children = _children(facts, view.capacity, config)
    wanted = {kind.kind for kind, _ in children}
    # Kinds that the spec no longer asks for, such as the route of a model without a gateway.
    stale = tuple(kind for kind in MODEL_CHILDREN if kind.kind in facts.children and kind.kind not in wanted)
    return ModelDecision(status, children=children, remove=stale)


def _capacity(facts: ModelFacts) -> int | None:
    """Streams of one pod."""
    if facts.pool is None:
        return None
    spec = facts.pool.spec
    return streams_per_card(
        spec.driver,
        facts.model.spec.decoding.capacity_key(facts.model.spec.model.architecture),
        ((entry.key, entry.streams) for entry in spec.capacity),
        whole_cores(spec.pod_resources.cpu),
    )


def _children(facts: ModelFacts, capacity: int, config: OperatorConfig) -> tuple[tuple[Kind, JsonObject], ...]:
    model, pool = facts.model, facts.pool
    if pool is None:
        return ()
    children = [(SERVICE_ACCOUNT, build_service_account(model))]
    if takes_claim(pool):
        children.append((CLAIM_TEMPLATE, build_claim_template(model, pool, facts.offer.fit)))
    children += [
        (SERVICE, build_service(model)),
        (DEPLOYMENT, build_deployment(model, pool, capacity, config)),
        (DISRUPTION_BUDGET, build_disruption_budget(model)),
    ]
    gateway = model.spec.routing.gateway_ref
    if gateway is not None and HTTP_ROUTE.kind in facts.apis:
        children.append((HTTP_ROUTE, build_http_route(model, gateway)))
        if TRAFFIC_POLICY.kind in facts.apis:
            children.append((TRAFFIC_POLICY, build_traffic_policy(model)))
    return tuple(children)


def _take_down(facts: ModelFacts) -> tuple[Kind, ...]:
    """Route first, so that no new stream comes; then the pods, which drain; the rest when the pods are gone."""
    order = (HTTP_ROUTE, TRAFFIC_POLICY, DEPLOYMENT)
    rest = tuple(kind for kind in MODEL_CHILDREN if kind not in order)
    if facts.pods or any(kind.kind in facts.children for kind in order):
        rest = ()
    return tuple(kind for kind in order + rest if kind.kind in facts.children)


def _url(facts: ModelFacts) -> str:
    """Address of the stream API for clients."""
    model, gateway = facts.model, facts.gateway
    if model.spec.routing.gateway_ref is None:
        host = f"{model.metadata.name}.{model.metadata.namespace}.svc"
        return f"ws://{host}:{names.STREAM_PORT}{names.STREAM_PATH}"
    hostnames = [name for name in model.spec.routing.hostnames if not name.startswith("*.")]
    host = hostnames[0] if hostnames else gateway.address
    if not host or not gateway.found:
        return ""
    scheme, usual = ("wss", 443) if gateway.tls else ("ws", 80)
    address = f"[{host}]" if ":" in host else host
    port = "" if gateway.port == usual else f":{gateway.port}"
    return f"{scheme}://{address}{port}{names.STREAM_PATH}"


def _status(view: ModelView) -> ModelStatus:
    model, facts = view.facts.model, view.facts
    verdicts = {
        ConditionType.READY: ready(view),
        ConditionType.CAPACITY_AVAILABLE: capacity_available(view),
        ConditionType.ROUTE_ACCEPTED: route_accepted(view),
        ConditionType.PROGRESSING: progressing(view),
    }
    by_pod = {pod.name: facts.streams.get(pod.ip) for pod in facts.pods}
    in_service = [by_pod[pod.name] for pod in view.ready_pods]
    return ModelStatus(
        observed_generation=model.metadata.generation,
        conditions=conditions(model.status.conditions, verdicts, model.metadata.generation, facts.now),
        replicas=len(view.live_pods),
        ready_replicas=len(view.ready_pods),
        draining_replicas=sum(pod.terminating for pod in facts.pods),
        selector=selector(pod_selector(model)),
        active_streams=sum(streams.active for streams in by_pod.values() if streams),
        stream_capacity=sum(streams.capacity if streams else view.capacity or 0 for streams in in_service),
        url=view.url,
    )
