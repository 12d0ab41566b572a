"""What agents, kubelets and the disruption controller do in a rollout, done by tests on a real API server."""

from datetime import UTC, datetime
from typing import Any

from api_server import Api, RefusedError
from gharial_operator.reconcile.pool import reconcile_pool
from gharial_operator.work_queue import Key
from machines import CARD_NODES, NODES, card, report
from operator_life import live_until_write

PODS = "/api/v1/namespaces/default/pods"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
LABELS = {"asr.gharial.dev/model": "english", "asr.gharial.dev/pool": "cards"}
#: Phases of a card between the permission and the end.
WAY = ("Ready", "Flashing", "PowerCycling", "Enumerating", "Validating")


def reconcile(pool: str = "cards", writes: int = -1) -> bool:
    """Looks at a pool until nothing is left to write; killed after so many writes, and then says True."""
    return live_until_write(writes, lambda context: reconcile_pool(context, Key("AsrCardPool", pool)))


def state(api: Api, node: str) -> str:
    """Where a node stands."""
    return str(api.get(f"{CARD_NODES}/{node}")["spec"]["rollout"]["state"])


def cordon(api: Api, node: str) -> tuple[bool, str]:
    """Whether a node is cordoned, and our mark on it."""
    live = api.get(f"{NODES}/{node}")
    mark = live["metadata"].get("annotations", {}).get("asr.gharial.dev/cordoned-for", "")
    return live["spec"].get("unschedulable", False), mark


def add_pod(api: Api, name: str, node: str) -> None:
    """A server pod of the model `english` that runs and is ready."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    api.apply("/api/v1/namespaces/default/serviceaccounts/default", account)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": LABELS},
        "spec": {"nodeName": node, "containers": [{"name": "server", "image": "server"}]},
    }
    api.request("POST", PODS, pod)
    ready = {"type": "Ready", "status": "True"}
    api.merge(f"{PODS}/{name}/status", {"status": {"phase": "Running", "conditions": [ready]}})


def put_budget(api: Api, allowed: int) -> None:
    """The model's disruption budget, with what the disruption controller found."""
    body = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "english", "labels": LABELS},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"asr.gharial.dev/model": "english"}}},
    }
    live = api.apply(f"{BUDGETS}/english", body)
    status = {
        "observedGeneration": live["metadata"]["generation"],
        "disruptionsAllowed": allowed,
        "currentHealthy": 1 + allowed,
        "desiredHealthy": 1,
        "expectedPods": 2,
        "disruptedPods": None,
    }
    api.merge(f"{BUDGETS}/english/status", {"status": status})


def kubelets(api: Api) -> int:
    """Pods that were asked to go are gone, and their budget is whole again; returns how many."""
    going = [pod for pod in api.items(PODS) if pod["metadata"].get("deletionTimestamp")]
    for pod in going:
        api.request("DELETE", f"{PODS}/{pod['metadata']['name']}?gracePeriodSeconds=0")
    if going:
        put_budget(api, 1)
    return len(going)


def failure(version: str) -> dict[str, Any]:
    """The report of a first attempt that failed just now."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return {"attempt": 1, "result": "Failed", "time": when, "version": version, "message": "Status 4."}


def agents(api: Api, bad_version: str = "") -> None:
    """Every agent takes one step of what its object asks for; a flash of the bad version fails."""
    for live in api.items(CARD_NODES):
        name, spec = live["metadata"]["name"], live["spec"]
        cards: list[dict[str, Any]] = live.get("status", {}).get("cards", [])
        now = cards[0] if cards else card(bitstream="1.1.0")
        target = spec["bitstream"]["version"]
        at = 0 if now["phase"] == "Failed" else WAY.index(now["phase"])
        if at > 0 or (now["bitstream"] != target and spec["flash"] == "Allowed"):
            done = at == len(WAY) - 1
            now = card(bitstream=target) if done else {**now, "phase": WAY[at + 1]}
            if done and target == bad_version:
                now = card(bitstream="", phase="Failed", lastFlash=failure(target))
        try:
            report(api, name, now)
        except (RefusedError, TypeError):
            continue  # the operator took the object away meanwhile
