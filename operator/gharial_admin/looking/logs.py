"""The last lines of the logs, and the operator's metrics."""

from gharial_api import names
from gharial_api.base import JsonObject
from gharial_kube.client import Kube, KubeError

from gharial_admin.looking.reader import Job, run_all
from gharial_admin.looking.snapshot import Gap, Snapshot, condition_of, labels_of, name_of, namespace_of

#: No log is longer than this, however long its lines are.
LOG_BYTES = 256 * 1024
METRICS_BYTES = 1024 * 1024
#: Pods of each part whose logs are read; those in trouble come first.
PODS = 25


def read_logs(kube: Kube, seen: Snapshot, lines: int, deadline: float) -> tuple[dict[str, str], list[Gap]]:
    """The last lines of every chosen container, and of the life before where there was one."""
    found: dict[str, str] = {}
    gaps: dict[str, Gap] = {}

    def job(pod: JsonObject, container: str, previous: bool) -> Job:
        def run() -> None:
            where = f"{namespace_of(pod)}/{name_of(pod)}/{container}{'.previous' if previous else ''}"
            path = f"/api/v1/namespaces/{namespace_of(pod)}/pods/{name_of(pod)}/log"
            query = {"container": container, "tailLines": str(lines), "limitBytes": str(LOG_BYTES)}
            query |= {"previous": "true"} if previous else {}
            try:
                found[where] = kube.text(path, LOG_BYTES, **query)
            except KubeError as error:
                if error.status == 403:
                    gaps["logs"] = Gap("logs", "you may not read them", "get pods/log")
                elif not previous and error.status != 400:  # 400: the container has not begun
                    gaps[where] = Gap(f"log of {where}", str(error))

        return run

    jobs = [job(*chosen) for pod in chosen_pods(seen) for chosen in _containers(pod)]
    if not run_all(jobs, deadline):
        gaps["slow"] = Gap("some logs", "they did not come in time")
    return dict(found), list(gaps.values())


def chosen_pods(seen: Snapshot) -> list[JsonObject]:
    """Pods whose logs are worth reading: of each part the broken ones first, and not more than PODS."""
    parts: dict[str, list[JsonObject]] = {}
    for pod in seen.all("pods"):
        labels = labels_of(pod)
        part = "server" if names.MODEL_LABEL in labels else labels.get("app.kubernetes.io/component", "other")
        parts.setdefault(part, []).append(pod)
    order = {part: sorted(pods, key=lambda pod: (_well(pod), name_of(pod))) for part, pods in parts.items()}
    return [pod for part in sorted(order) for pod in order[part][:PODS]]


def _well(pod: JsonObject) -> bool:
    return bool(condition_of(pod, "Ready").get("status") == "True")


def _containers(pod: JsonObject) -> list[tuple[JsonObject, str, bool]]:
    states = (pod.get("status") or {}).get("containerStatuses") or []
    found = []
    for state in states:
        name = str(state.get("name"))
        found.append((pod, name, False))
        if state.get("restartCount"):
            found.append((pod, name, True))
    return found


def read_metrics(kube: Kube, seen: Snapshot, deadline: float) -> tuple[dict[str, str], list[Gap]]:
    """The operator's metrics, by way of the API server; needs the right get pods/proxy, which few have."""
    found: dict[str, str] = {}
    gaps: dict[str, Gap] = {}

    def job(pod: JsonObject) -> Job:
        def run() -> None:
            where = f"{namespace_of(pod)}/{name_of(pod)}"
            path = f"/api/v1/namespaces/{namespace_of(pod)}/pods/{name_of(pod)}:{names.HTTP_PORT}/proxy/metrics"
            try:
                found[where] = kube.text(path, METRICS_BYTES)
            except KubeError as error:
                right = "get pods/proxy" if error.status == 403 else ""
                gaps["metrics"] = Gap(
                    "the operator's metrics", "you may not reach its pods" if right else str(error), right
                )

        return run

    pods = [pod for pod in seen.all("pods") if labels_of(pod).get("app.kubernetes.io/component") == "operator"]
    run_all([job(pod) for pod in pods[:3]], deadline)
    return dict(found), list(gaps.values())
