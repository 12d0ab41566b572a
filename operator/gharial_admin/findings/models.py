"""Models: why a pod has no card, why a stream finds no model."""

from collections.abc import Iterator

from gharial_api import AsrModel, names
from gharial_api.base import JsonObject
from gharial_api.conditions import Reason
from gharial_api.words import count
from gharial_api.words import names as named

from gharial_admin.findings import pods
from gharial_admin.findings.finding import Code, Finding, error, warning
from gharial_admin.looking.snapshot import (
    Snapshot,
    condition_of,
    labels_of,
    moment,
    name_of,
    namespace_of,
    seconds_since,
)

#: A pod that is new may wait for so many seconds before it is worth a word.
PATIENCE = 60.0
#: A model that starts is worth a word after so many seconds.
START_SECONDS = 900.0
#: Told by the theme of gateways.
_ROUTES = {Reason.GATEWAY_API_MISSING, Reason.ROUTE_PENDING, Reason.ROUTE_REFUSED}
_PATIENT = {Reason.PODS_STARTING, Reason.ROLLING_OUT}
_FINE = {Reason.SCALED_TO_ZERO, Reason.DELETING}


def models(seen: Snapshot) -> Iterator[Finding]:
    """Models that do not serve, and pods without a card."""
    for pod in seen.all("pods"):
        if names.MODEL_LABEL in labels_of(pod) and not pods.going(pod):
            yield from _pod(seen, pod)
    for model in seen.models:
        yield from _model(seen, model)


def _model(seen: Snapshot, model: AsrModel) -> Iterator[Finding]:
    state = next((each for each in model.status.conditions if each.type == "Ready"), None)
    if state is None or state.status == "True" or state.reason in _ROUTES | _FINE:
        return
    if state.reason in _PATIENT and (seen.now - state.last_transition_time).total_seconds() < START_SECONDS:
        return
    where = f"{model.metadata.namespace}/{model.metadata.name}"
    serves = model.status.ready_replicas
    rest = f" {count(serves, 'pod')} of {model.spec.replicas} still serve." if serves else " It serves no stream."
    yield error(
        Code.MODEL_NOT_READY,
        f"model {where}",
        f"{state.message}{rest}",
        f"See: kubectl -n {model.metadata.namespace} describe asrmodel {model.metadata.name}",
        state.last_transition_time,
    )


def _pod(seen: Snapshot, pod: JsonObject) -> Iterator[Finding]:
    found = pods.trouble(pod)
    if found is not None:
        yield error(Code.POD_FAILING, f"pod {pods.label(pod)}", *found)
        return
    said = pods.unscheduled(pod)
    since = condition_of(pod, "PodScheduled").get("lastTransitionTime")
    if said and seconds_since(since, seen.now) > PATIENCE:
        text, remedy = why_no_place(seen, pod, said)
        yield error(Code.POD_WAITS_FOR_CARD, f"pod {pods.label(pod)}", text, remedy, moment(since))


def why_no_place(seen: Snapshot, pod: JsonObject, said: str) -> tuple[str, str]:
    """Why the scheduler finds no card for a pod, in our words, and the remedy."""
    pool = labels_of(pod).get(names.POOL_LABEL, "")
    scheduler = f"The scheduler says: {said}"
    if not (pod.get("spec") or {}).get("resourceClaims"):
        return scheduler, "Add nodes to the pool, or lower its spec.podResources."
    if seen.saw("deviceclasses") and not seen.all("deviceclasses"):
        return f"DeviceClass {names.DEVICE_CLASS} is gone, so nothing offers cards.", "See DeviceClassMissing."
    if not seen.saw("resourceslices") or not seen.saw("resourceclaims"):
        return scheduler, f"See: kubectl -n {namespace_of(pod)} describe pod {name_of(pod)}"
    devices = _devices(seen, pool)
    if not devices:
        return f"No card of pool {pool} is offered to the scheduler.", f"See: kubectl gharial status {pool}"
    taken = _taken(seen)
    reasons: dict[str, int] = {}
    for node, device in devices:
        reason = _why_not(seen, node, device, taken)
        reasons[reason] = reasons.get(reason, 0) + 1
    free = reasons.pop("", 0)
    listed = "; ".join(f"{number} {reason}" for reason, number in sorted(reasons.items()))
    head = f"Pool {pool} offers {count(len(devices), 'card')}: {listed}." if listed else f"Pool {pool} has free cards."
    if free:
        text = f"{head} {free} free, but the pod does not fit beside one, or asks for another bitstream. {scheduler}"
        return text, f"Compare podResources and bitstream of pool {pool} with the nodes: kubectl gharial cards"
    return (
        head,
        f"Free a card (scale a model down), add cards to pool {pool}, or wait for the rollout: kubectl gharial status",
    )


def _devices(seen: Snapshot, pool: str) -> list[tuple[str, JsonObject]]:
    """The pool's cards as the scheduler knows them, with their nodes."""
    found = []
    for each in seen.all("resourceslices"):
        spec = each.get("spec") or {}
        for device in spec.get("devices") or []:
            if ((device.get("attributes") or {}).get("pool") or {}).get("string") == pool:
                found.append((str(spec.get("nodeName", "")), device))
    return found


def _taken(seen: Snapshot) -> dict[tuple[str, str], str]:
    """(node, device) -> the claim's model, for every card that a pod holds."""
    found = {}
    for claim in seen.all("resourceclaims"):
        allocation = ((claim.get("status") or {}).get("allocation") or {}).get("devices") or {}
        for result in allocation.get("results") or []:
            model = f"{namespace_of(claim)}/{labels_of(claim).get(names.MODEL_LABEL, name_of(claim))}"
            found[(str(result.get("pool")), str(result.get("device")))] = model
    return found


def _why_not(seen: Snapshot, node: str, device: JsonObject, taken: dict[tuple[str, str], str]) -> str:
    """Why a card is not to be had; empty when it is free."""
    holder = taken.get((node, str(device.get("name"))))
    if holder is not None:
        return f"held by model {holder}"
    live = seen.named("nodes").get(node, {})
    if (live.get("spec") or {}).get("unschedulable"):
        return f"on {node}, which is cordoned"
    taints = device.get("taints") or []
    if taints:
        return f"closed ({taints[0].get('value') or taints[0].get('key')})"
    return ""


def gateways(seen: Snapshot) -> Iterator[Finding]:
    """Models whose route does not lead to them, and Gateways that do not work."""
    wanted: dict[tuple[str, str], list[str]] = {}
    for model in seen.models:
        ref = model.spec.routing.gateway_ref
        if ref is None or model.metadata.deletion_timestamp:
            continue
        where = f"{model.metadata.namespace}/{model.metadata.name}"
        wanted.setdefault((ref.namespace or model.metadata.namespace or "", ref.name), []).append(where)
    live = {(namespace_of(each), name_of(each)): each for each in seen.all("gateways")}
    broken = set()
    for key, users in wanted.items():
        found = _gateway(seen, key, live.get(key), users)
        if found is not None:
            broken.add(key)
            yield found
    for model in seen.models:
        ref = model.spec.routing.gateway_ref
        if ref is not None and (ref.namespace or model.metadata.namespace or "", ref.name) not in broken:
            yield from _route(model)


def _gateway(seen: Snapshot, key: tuple[str, str], gateway: JsonObject | None, users: list[str]) -> Finding | None:
    name, who = f"{key[0]}/{key[1]}", f"Model {named(users)} cannot be reached from outside."
    if not seen.saw("gateways"):
        return None
    if gateway is None:
        remedy = (
            "Create it (the chart does, with gateway.enabled=true), or correct spec.routing.gatewayRef of the model."
        )
        return error(Code.GATEWAY_NOT_READY, f"gateway {name}", f"It does not exist. {who}", remedy)
    for kind in ("Accepted", "Programmed"):
        state = condition_of(gateway, kind)
        if state.get("status") != "True":
            told = state.get("message") or "no controller has looked at it"
            remedy = (
                f"Does Envoy Gateway run, and serve its gatewayClassName? kubectl -n {key[0]} describe gateway {key[1]}"
            )
            return error(Code.GATEWAY_NOT_READY, f"gateway {name}", f"It is not {kind}: {told}. {who}", remedy)
    return None


def _route(model: AsrModel) -> Iterator[Finding]:
    state = next((each for each in model.status.conditions if each.type == "RouteAccepted"), None)
    if state is not None and state.status == "False":
        kind = warning if state.reason == Reason.ROUTE_PENDING else error
        yield kind(
            Code.ROUTE_REFUSED,
            f"model {model.metadata.namespace}/{model.metadata.name}",
            state.message,
            f"See: kubectl -n {model.metadata.namespace} describe httproute {model.metadata.name}",
            state.last_transition_time,
        )
