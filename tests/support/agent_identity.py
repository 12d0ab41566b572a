"""The identity that the chart gives an agent: its service account, its rules, its guard, a token bound to its node."""

from pathlib import Path
from typing import Any

import yaml
from gharial_kube.client import Kube

CHART = Path(__file__).resolve().parents[2] / "charts" / "gharial"
NAMESPACE = "gharial-system"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"


def install_rights(kube: Kube) -> None:
    """Puts the chart's rules and its guard into the cluster, word for word."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "gharial-agent"}}
    kube.apply(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/gharial-agent", account, "tests")
    bind(kube, "agent-cluster-rules.yaml", "")
    bind(kube, "agent-namespace-rules.yaml", NAMESPACE)
    bind(kube, "agent-event-rules.yaml", "default")
    for document in guard():
        plural = {
            "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
            "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
        }[document["kind"]]
        kube.apply(f"{ADMISSION}/{plural}/{document['metadata']['name']}", document, "tests")


def bind(kube: Kube, file: str, namespace: str) -> None:
    """A role with the rules of a file, bound to the agent's account."""
    rules = yaml.safe_load((CHART / "files" / file).read_text())
    scope = f"{RBAC}/namespaces/{namespace}" if namespace else RBAC
    kind = "Role" if namespace else "ClusterRole"
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "gharial-agent"}}
    kube.apply(f"{scope}/{kind.lower()}s/gharial-agent", {**head, "kind": kind, "rules": rules}, "tests")
    binding = {
        **head,
        "kind": f"{kind}Binding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "gharial-agent"},
        "subjects": [{"kind": "ServiceAccount", "name": "gharial-agent", "namespace": NAMESPACE}],
    }
    kube.apply(f"{scope}/{kind.lower()}bindings/gharial-agent", binding, "tests")


def guard() -> list[dict[str, Any]]:
    """The chart's admission policy, rendered for the operator's namespace."""
    lines = (CHART / "templates" / "agent-guard.yaml").read_text().splitlines()
    plain = [line.replace("{{ .Release.Namespace }}", NAMESPACE) for line in lines if "gharial.labels" not in line]
    return list(yaml.safe_load_all("\n".join(plain)))


def write_kubeconfig(kube: Kube, admin: Path, node: str, target: Path) -> None:
    """A kubeconfig with a token like the one in the pod of this node's agent."""
    made = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}
    uid = kube.apply(f"/api/v1/nodes/{node}", made, "tests")["metadata"]["uid"]
    reference = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"boundObjectRef": reference, "expirationSeconds": 3600},
    }
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/gharial-agent/token"
    token = kube.create(path, request)["status"]["token"]
    config = yaml.safe_load(admin.read_text())
    config["users"] = [{"name": config["contexts"][0]["context"]["user"], "user": {"token": token}}]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(yaml.safe_dump(config))
