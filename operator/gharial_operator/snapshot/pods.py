"""Server pods as facts."""

from gharial_api.base import JsonObject

from gharial_operator.facts import PodFacts


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
