"""Pods that must go from a node before its cards or its machine are touched, with what budgets say about that."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from gharial_api import names
from gharial_api.base import JsonObject
from gharial_api.words import selector

from gharial_operator import kinds
from gharial_operator.api_client import ApiClient
from gharial_operator.config import OperatorConfig
from gharial_operator.facts import PodView
from gharial_operator.seen import Seen
from gharial_operator.snapshot import views
from gharial_operator.snapshot.pods import Pod, blocked, pod_facts, see_pod
from gharial_operator.snapshot.reads import Reads

#: On a pod that the kubelet made from a file of the node: it cannot be evicted, and starts again with the machine.
_STATIC = "kubernetes.io/config.mirror"
#: A pod that is asked to go in its first moments cannot run its preStop hooks yet: an Envoy of Envoy Gateway then
#: stays for its whole grace period, which for streams is hours. It is ready, or given up, after so many seconds.
_STARTING_SECONDS = 30
_OPERATOR_LABELS = {"app.kubernetes.io/component": "operator", "app.kubernetes.io/name": "gharial"}


async def model_pods(reads: Reads, pool: str) -> tuple[PodView, ...]:
    """Pods of a pool's models that have a node."""
    labels = {names.POOL_LABEL: pool}
    pods, budgets = await reads.list(views.PODS, labels=labels), await reads.list(views.BUDGETS, labels=labels)
    by_model = {(seen.namespace, seen.name): seen.value for seen in budgets}
    return tuple(_model_pod(seen, by_model) for seen in pods if seen.value.node and seen.value.model)


def _model_pod(seen: Seen[Pod], by_model: Mapping[tuple[str | None, str], str]) -> PodView:
    pod = seen.value
    return _pod_view(pod, by_model.get((pod.namespace, pod.model), ""))


def _pod_view(pod: Pod, budgets_say: str, starting: bool = False) -> PodView:
    """budgets_say: why budgets keep it. A pod that is not ready may go whatever they say."""
    firm = pod.facts.ready and not pod.facts.terminating
    return PodView(
        namespace=pod.namespace,
        name=pod.facts.name,
        uid=pod.uid,
        node=pod.node,
        terminating=pod.facts.terminating,
        blocked=budgets_say if firm else "",
        grace=pod.grace,
        starting=starting,
    )


async def pods_of_node(client: ApiClient, node: str, config: OperatorConfig) -> tuple[PodView, ...]:
    """Every pod of a node but those that end and start with the machine, and those that have ended."""
    pods, budgets, operators = await asyncio.gather(
        client.list(kinds.POD, fields=f"spec.nodeName={node}"),
        client.list(kinds.DISRUPTION_BUDGET),
        client.list(kinds.POD, config.namespace, selector=selector(_OPERATOR_LABELS)),
    )
    relieved = any(pod["spec"].get("nodeName") != node and pod_facts(pod).ready for pod in operators)
    return tuple(_operator_last(_view(pod, budgets), config, relieved) for pod in pods if _moves(pod))


def _moves(pod: JsonObject) -> bool:
    meta = pod["metadata"]
    if pod.get("status", {}).get("phase") in {"Succeeded", "Failed"} or _STATIC in meta.get("annotations", {}):
        return False
    return all(owner["kind"] != "DaemonSet" for owner in meta.get("ownerReferences", []))


def _operator_last(pod: PodView, config: OperatorConfig, relieved: bool) -> PodView:
    """This operator's own pod goes last, and only where another replica goes on with the work."""
    if (pod.namespace, pod.name) != (config.namespace, config.identity):
        return pod
    alone = "the operator itself runs in it, and no other replica is ready on another node: raise operator.replicas."
    return replace(pod, own=True, blocked=pod.blocked if relieved else alone)


def _view(live: JsonObject, budgets: Iterable[JsonObject]) -> PodView:
    pod = see_pod(live)
    covering = [budget for budget in budgets if _covers(budget, live["metadata"])]
    starting = not pod.facts.ready and not pod.facts.terminating and _age(live) < _STARTING_SECONDS
    return _pod_view(pod, blocked(covering), starting)


def _age(pod: JsonObject) -> float:
    """Seconds since the pod came to its node."""
    status = pod.get("status", {})
    conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
    placed = conditions.get("PodScheduled", {}).get("lastTransitionTime")
    since = status.get("startTime") or placed or pod["metadata"]["creationTimestamp"]
    return (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()


def _covers(budget: JsonObject, pod: JsonObject) -> bool:
    """Whether the budget is for this pod; pod: its metadata."""
    chosen = budget["spec"].get("selector")
    if chosen is None or budget["metadata"]["namespace"] != pod["namespace"]:
        return False
    labels = pod.get("labels", {})
    wanted = chosen.get("matchLabels", {}).items()
    return wanted <= labels.items() and all(_meets(labels, rule) for rule in chosen.get("matchExpressions", []))


def _meets(labels: dict[str, str], rule: JsonObject) -> bool:
    """One requirement of a label selector, as the API server reads it."""
    value, values = labels.get(rule["key"]), rule.get("values", [])
    match rule["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None
