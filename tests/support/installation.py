"""A healthy installation on a bare API server, as helm, kubelets, agents and the operator would leave it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from api_server import Api
from gharial_cluster.control_plane import run_kubectl
from machines import add_node, card, report
from manifests import pool
from rollout_hands import reconcile

SYSTEM = "gharial-system"
NODES = ("node-a", "node-b")
LABELS = {"asr.gharial.dev/cards": "simulated"}
POOLS = "/apis/asr.gharial.dev/v1alpha1/asrcardpools"
MODELS = "/apis/asr.gharial.dev/v1alpha1/namespaces/default/asrmodels"
DEVICE_CLASS = "/apis/resource.k8s.io/v1/deviceclasses/asr-card"
SLICES = "/apis/resource.k8s.io/v1/resourceslices"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/gharial-operator"
DAEMON_SET = f"/apis/apps/v1/namespaces/{SYSTEM}/daemonsets/gharial-agent"
PODS = f"/api/v1/namespaces/{SYSTEM}/pods"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/gharial-operator"


def now() -> str:
    """This moment, as Kubernetes writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def install(api: Api) -> None:
    """Operator, agents, two nodes with a card each, and a pool whose cards serve."""
    for namespace in (SYSTEM, "default"):
        api.apply(f"/api/v1/namespaces/{namespace}", _head("v1", "Namespace", namespace))
    api.apply(DEVICE_CLASS, {**_head("resource.k8s.io/v1", "DeviceClass", "asr-card"), "spec": {}})
    _workload(api, DEPLOYMENT, "Deployment", "operator", {"replicas": 1})
    _workload(api, DAEMON_SET, "DaemonSet", "agent", {})
    api.merge(f"{DEPLOYMENT}/status", {"status": {"replicas": 1, "readyReplicas": 1}})
    put_lease(api, now())
    put_pod(api, "operator-1", "operator", "node-a")
    for node in NODES:
        add_node(api, node, LABELS)
        put_pod(api, f"agent-{node}", "agent", node)
    if api.get(f"{POOLS}/cards") is None:
        api.request("POST", POOLS, pool())
    reconcile()
    for number, node in enumerate(NODES):
        report(api, node, good_card(number))
        put_slice(api, node, number)
    reconcile()


def uninstall(api: Api) -> None:
    """Everything goes but the definitions."""
    for item in api.items(MODELS):
        api.merge(f"{MODELS}/{item['metadata']['name']}", {"metadata": {"finalizers": None}})
        api.delete(f"{MODELS}/{item['metadata']['name']}")
    for item in api.items(POOLS):
        api.delete(f"{POOLS}/{item['metadata']['name']}")
        reconcile(item["metadata"]["name"])
    for path in (PODS, "/api/v1/namespaces/default/pods"):
        for item in api.items(path):
            api.request("DELETE", f"{path}/{item['metadata']['name']}?gracePeriodSeconds=0")
    claims = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims"
    for root in (SLICES, "/api/v1/nodes", "/apis/policy/v1/namespaces/default/poddisruptionbudgets", claims):
        for item in api.items(root):
            api.delete(f"{root}/{item['metadata']['name']}")
    for path in (DEVICE_CLASS, DEPLOYMENT, DAEMON_SET, LEASE):
        api.delete(path)


def good_card(number: int, **fields: Any) -> dict[str, Any]:
    """The card of a node."""
    return card(uniqueId=f"0123456789abcd{number:02x}", **fields)


def put_lease(api: Api, renewed: str) -> None:
    """The leader's Lease."""
    spec = {"holderIdentity": "operator-1", "leaseDurationSeconds": 8, "renewTime": renewed}
    api.apply(LEASE, {**_head("coordination.k8s.io/v1", "Lease", "gharial-operator"), "spec": spec})


def put_slice(api: Api, node: str, number: int, **fields: Any) -> None:
    """What the agent tells the scheduler of its card."""
    attributes = {"pool": {"string": "cards"}, "bitstreamVersion": {"version": "1.2.0"}}
    device = {"name": f"card-0123456789abcd{number:02x}", "attributes": attributes, **fields}
    spec = {
        "driver": "cards.asr.gharial.dev",
        "nodeName": node,
        "pool": {"name": node, "generation": 1, "resourceSliceCount": 1},
        "devices": [device],
    }
    name = f"{node}-cards.asr.gharial.dev"
    api.apply(f"{SLICES}/{name}", {**_head("resource.k8s.io/v1", "ResourceSlice", name), "spec": spec})


def put_pod(api: Api, name: str, component: str, node: str, **status: Any) -> None:
    """A pod of the installation that runs, or has the container status given."""
    account = _head("v1", "ServiceAccount", "default")
    api.apply(f"/api/v1/namespaces/{SYSTEM}/serviceaccounts/default", account)
    if api.get(f"{PODS}/{name}") is None:
        head = _head("v1", "Pod", name)
        head["metadata"]["labels"] = part(component)
        containers = [{"name": component, "image": f"gharial/{component}:0.1.0"}]
        api.request("POST", PODS, {**head, "spec": {"nodeName": node, "containers": containers}})
    ready = {"type": "Ready", "status": "False" if status else "True"}
    state = {"name": component, "image": f"gharial/{component}:0.1.0", "imageID": "", "ready": not status}
    state |= {"restartCount": 0, **status}
    body = {"phase": "Running", "conditions": [ready], "containerStatuses": [state]}
    api.merge(f"{PODS}/{name}/status", {"status": body})


def part(component: str) -> dict[str, str]:
    """Labels of the chart."""
    return {
        "app.kubernetes.io/name": "gharial",
        "app.kubernetes.io/instance": "gharial",
        "app.kubernetes.io/version": "0.1.0",
        "app.kubernetes.io/component": component,
    }


def user_kubeconfig(api: Api, name: str, rules: list[dict[str, Any]], folder: Path) -> Path:
    """Somebody with these rights in the whole cluster, and no others."""
    group = "rbac.authorization.k8s.io"
    rbac = f"/apis/{group}/v1"
    api.apply(f"/api/v1/namespaces/{SYSTEM}/serviceaccounts/{name}", _head("v1", "ServiceAccount", name))
    api.apply(f"{rbac}/clusterroles/{name}", {**_head(f"{group}/v1", "ClusterRole", name), "rules": rules})
    binding = {
        **_head(f"{group}/v1", "ClusterRoleBinding", name),
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": SYSTEM}],
    }
    api.apply(f"{rbac}/clusterrolebindings/{name}", binding)
    token = run_kubectl(api.kubeconfig, "-n", SYSTEM, "create", "token", name, "--duration=2h").strip()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": "box", "user": name, "namespace": "default"}}],
        "clusters": [{"name": "box", "cluster": {"server": api.server, "certificate-authority": str(api.authority)}}],
        "users": [{"name": name, "user": {"token": token}}],
    }
    file = folder / f"{name}.kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return file


def _workload(api: Api, path: str, kind: str, component: str, spec: dict[str, Any]) -> None:
    head = _head("apps/v1", kind, path.rpartition("/")[2])
    head["metadata"]["labels"] = part(component)
    template = {
        "metadata": {"labels": part(component)},
        "spec": {"containers": [{"name": component, "image": f"gharial/{component}:0.1.0"}]},
    }
    selector = {"matchLabels": {"app.kubernetes.io/component": component}}
    api.apply(path, {**head, "spec": {**spec, "selector": selector, "template": template}})


def _head(api_version: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}
