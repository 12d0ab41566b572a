"""Server pods as facts."""

from dataclasses import dataclass

from gharial_api import names
from gharial_api.base import JsonObject

from gharial_operator.facts import PodFacts


@dataclass(frozen=True)
class Pod:
    """A pod, as its model and its pool look at it. grace: seconds that one which is going was given."""

    namespace: str
    uid: str
    model: str
    node: str
    grace: int
    facts: PodFacts


def see_pod(pod: JsonObject) -> Pod:
    """A pod with its place."""
    meta = pod["metadata"]
    return Pod(
        namespace=meta["namespace"],
        uid=meta["uid"],
        model=meta.get("labels", {}).get(names.MODEL_LABEL, ""),
        node=pod.get("spec", {}).get("nodeName", ""),
        grace=int(meta.get("deletionGracePeriodSeconds", 0)),
        facts=pod_facts(pod),
    )


def pod_facts(pod: JsonObject) -> PodFacts:
    """What matters of a pod: is it ready, and if not, in whose words why."""
    meta, status = pod["metadata"], pod.get("status", {})
    conditions = {c["type"]: c for c in status.get("conditions", [])}
    scheduled = conditions.get("PodScheduled", {})
    containers = status.get("initContainerStatuses", []) + status.get("containerStatuses", [])
    waiting: JsonObject = next((c["state"]["waiting"] for c in containers if "waiting" in c.get("state", {})), {})
    return PodFacts(
        name=meta["name"],
        ready=conditions.get("Ready", {}).get("status") == "True",
        terminating="deletionTimestamp" in meta,
        scheduled=scheduled.get("status") == "True",
        unschedulable=scheduled.get("message", "") if scheduled.get("status") == "False" else "",
        last_words=_last_words(containers),
        restarts=sum(int(c.get("restartCount", 0)) for c in containers),
        waiting=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        ip=status.get("podIP", ""),
        created=meta.get("creationTimestamp", ""),
    )


def _last_words(containers: list[JsonObject]) -> str:
    """Termination message of a container that ended badly, this time or the last time."""
    for container in containers:
        for moment in ("state", "lastState"):
            ended = container.get(moment, {}).get("terminated")
            if ended and ended.get("exitCode", 0) != 0:
                return str(ended.get("message") or f"exit code {ended['exitCode']} ({ended.get('reason', '')})").strip()
    return ""


def blocked(budgets: list[JsonObject]) -> str:
    """Why the budgets of a pod do not let it go; empty when they do."""
    named = [f"{budget['metadata']['namespace']}/{budget['metadata']['name']}" for budget in budgets]
    if len(budgets) > 1:
        return f"PodDisruptionBudgets {' and '.join(named)} cover it both, which no eviction gets past: remove one."
    status = budgets[0].get("status", {}) if budgets else {}
    if not budgets or status.get("disruptionsAllowed", 0) > 0:
        return ""
    healthy, wanted = status.get("currentHealthy", 0), status.get("expectedPods", 0)
    return f"PodDisruptionBudget {named[0]} lets no pod go while {healthy} of {wanted} are healthy."
