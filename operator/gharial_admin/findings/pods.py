"""Why a pod does not run, in words."""

from gharial_api.base import JsonObject

from gharial_admin.looking.snapshot import Snapshot, condition_of, name_of, namespace_of

_PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"})
_LONGEST = 300
#: Agents that flash cards; one of them runs on each node that has some.
AGENTS = ("agent", "achronix-agent")


def ready(pod: JsonObject) -> bool:
    """Whether a pod serves."""
    return bool(condition_of(pod, "Ready").get("status") == "True")


def going(pod: JsonObject) -> bool:
    """Whether a pod is on its way out."""
    return bool(pod.get("metadata", {}).get("deletionTimestamp"))


def unscheduled(pod: JsonObject) -> str:
    """The scheduler's words about a pod that it cannot place; empty when it has a place."""
    placed = condition_of(pod, "PodScheduled")
    return str(placed.get("message", "")) if placed.get("status") == "False" else ""


def label(pod: JsonObject) -> str:
    """`namespace/name`."""
    return f"{namespace_of(pod)}/{name_of(pod)}"


def trouble(pod: JsonObject) -> tuple[str, str] | None:
    """What keeps a pod's containers from running, and the remedy; None when nothing does, or it merely starts."""
    status = pod.get("status") or {}
    for state in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        found = _container(pod, state)
        if found is not None:
            return found
    if status.get("phase") == "Failed":
        return f"{label(pod)} failed: {status.get('reason', '')} {status.get('message', '')}".strip(), _describe(pod)
    return None


def _container(pod: JsonObject, state: JsonObject) -> tuple[str, str] | None:
    waiting = (state.get("state") or {}).get("waiting") or {}
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))[:_LONGEST]
    if reason in _PULL:
        return (
            f"{label(pod)}: image {state.get('image')} cannot be pulled ({reason}). {message}".strip(),
            "Check the chart's image.registry, image.tag and imagePullSecrets, and that the image is in the registry.",
        )
    if reason in {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}:
        return f"{label(pod)}: {reason}: {message}", _describe(pod)
    ended = (state.get("state") or {}).get("terminated") or (state.get("lastState") or {}).get("terminated") or {}
    if reason == "CrashLoopBackOff" or (ended.get("exitCode") and not state.get("ready") and state.get("restartCount")):
        said = str(ended.get("message", "")).strip().splitlines()
        words = f" Its last words: {said[-1][:_LONGEST]}" if said else ""
        killed = " (out of memory)" if ended.get("reason") == "OOMKilled" else ""
        return (
            f"{label(pod)} starts and ends again, {state.get('restartCount', 0)} times so far, last with status "
            f"{ended.get('exitCode', '?')}{killed}.{words}",
            f"See: kubectl -n {namespace_of(pod)} logs {name_of(pod)} -c {state.get('name')} --previous",
        )
    return None


def _describe(pod: JsonObject) -> str:
    return f"See: kubectl -n {namespace_of(pod)} describe pod {name_of(pod)}"


def agents(seen: Snapshot) -> dict[str, JsonObject]:
    """The agents' pods by node."""
    return {str((pod.get("spec") or {}).get("nodeName")): pod for pod in of_component(seen, *AGENTS)}


def of_component(seen: Snapshot, *components: str) -> list[JsonObject]:
    """Pods of the operator or of the agents, by name."""
    found = [
        pod
        for pod in seen.all("pods")
        if (pod.get("metadata", {}).get("labels") or {}).get("app.kubernetes.io/component") in components
    ]
    return sorted(found, key=name_of)
