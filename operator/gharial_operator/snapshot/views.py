"""Every kind that the operator reads, and what it works out of each object."""

from gharial_api import AsrCardNode, AsrCardPool, AsrModel, names
from gharial_api.base import JsonObject

from gharial_operator import kinds
from gharial_operator.facts import DeploymentFacts, NodeFacts, RouteFacts
from gharial_operator.kinds import Kind
from gharial_operator.seen import AnyView, View
from gharial_operator.snapshot.nodes import node_facts
from gharial_operator.snapshot.pods import Pod, blocked, see_pod


def deployment_facts(live: JsonObject) -> DeploymentFacts:
    """How far the Deployment is."""
    status = live.get("status", {})
    return DeploymentFacts(
        exists=True,
        replicas=int(status.get("replicas", 0)),
        updated=int(status.get("updatedReplicas", 0)),
        ready=int(status.get("readyReplicas", 0)),
        current=int(status.get("observedGeneration", 0)) >= int(live["metadata"].get("generation", 0)),
    )


def route_facts(live: JsonObject) -> RouteFacts:
    """What gateways said of the route."""
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


def _nothing(_: JsonObject) -> None:
    return None


def _child(kind: Kind) -> View[None]:
    return View(kind, _nothing, label=names.MODEL_LABEL)


NODES: View[NodeFacts] = View(kinds.NODE, node_facts, whole=False)
POOLS: View[AsrCardPool] = View(kinds.POOL, AsrCardPool.model_validate)
CARD_NODES: View[AsrCardNode] = View(kinds.CARD_NODE, AsrCardNode.model_validate)
MODELS: View[AsrModel] = View(kinds.MODEL, AsrModel.model_validate)
PODS: View[Pod] = View(kinds.POD, see_pod, whole=False, label=names.MODEL_LABEL)
DEPLOYMENTS: View[DeploymentFacts] = View(kinds.DEPLOYMENT, deployment_facts, label=names.MODEL_LABEL)
BUDGETS: View[str] = View(kinds.DISRUPTION_BUDGET, lambda live: blocked([live]), label=names.MODEL_LABEL)
ROUTES: View[RouteFacts] = View(kinds.HTTP_ROUTE, route_facts, label=names.MODEL_LABEL)
GATEWAYS: View[None] = View(kinds.GATEWAY, _nothing)

#: What a model is made of, by kind.
CHILDREN: dict[Kind, AnyView] = {
    kinds.SERVICE_ACCOUNT: _child(kinds.SERVICE_ACCOUNT),
    kinds.CLAIM_TEMPLATE: _child(kinds.CLAIM_TEMPLATE),
    kinds.SERVICE: _child(kinds.SERVICE),
    kinds.DEPLOYMENT: DEPLOYMENTS,
    kinds.DISRUPTION_BUDGET: BUDGETS,
    kinds.HTTP_ROUTE: ROUTES,
    kinds.TRAFFIC_POLICY: _child(kinds.TRAFFIC_POLICY),
}

#: All of them, as they are watched.
ALL: tuple[AnyView, ...] = (NODES, POOLS, CARD_NODES, MODELS, PODS, GATEWAYS, *CHILDREN.values())
