"""Cluster DNS: CoreDNS with the plugins a closed cluster needs."""

import json

from gharial_cluster.addons.placement import spread
from gharial_cluster.binaries.recipes import COREDNS_VERSION
from gharial_cluster.control_plane_plan import CLUSTER_DOMAIN, SERVICE_OF_DNS

IMAGE = f"gharial.local/coredns:{COREDNS_VERSION}"

_COREFILE = f"""{CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
    errors
    health
    ready
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        pods insecure
        ttl 5
    }}
    prometheus :9153
    loadbalance
}}
. {{
    errors
    hosts {{
        127.0.0.1 localhost
    }}
}}
"""
# The box reaches no name server outside: a name that is not the cluster's is unknown, at once.

_LABELS = {"k8s-app": "kube-dns"}


def manifests() -> str:
    """Everything of CoreDNS, as one JSON list for `kubectl apply`."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "List",
            "items": [*_access(), _configuration(), _deployment(), _budget(), _service()],
        }
    )


def _access() -> list[dict[str, object]]:
    account = {"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "coredns", "namespace": "kube-system"}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": [
                {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:coredns"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
            "subjects": [account],
        },
    ]


def _configuration() -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "coredns", "namespace": "kube-system"},
        "data": {"Corefile": _COREFILE},
    }


def _deployment() -> dict[str, object]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "coredns", "namespace": "kube-system", "labels": _LABELS},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": _LABELS},
            "template": {"metadata": {"labels": _LABELS}, "spec": _pod()},
        },
    }


def _budget() -> dict[str, object]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "coredns", "namespace": "kube-system", "labels": _LABELS},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": _LABELS}},
    }


def _pod() -> dict[str, object]:
    return {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}],
        "topologySpreadConstraints": [spread(_LABELS)],
        "containers": [
            {
                "name": "coredns",
                "image": IMAGE,
                "imagePullPolicy": "IfNotPresent",
                "args": ["-conf", "/etc/coredns/Corefile"],
                "ports": [
                    {"name": "dns", "containerPort": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
                    {"name": "metrics", "containerPort": 9153, "protocol": "TCP"},
                ],
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "170Mi"}},
                "readinessProbe": _probe("/ready", 8181, every=1),
                "livenessProbe": _probe("/health", 8080, every=10),
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
                "volumeMounts": [{"name": "configuration", "mountPath": "/etc/coredns", "readOnly": True}],
            }
        ],
        "volumes": [{"name": "configuration", "configMap": {"name": "coredns"}}],
    }


def _probe(path: str, port: int, every: int) -> dict[str, object]:
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": every,
        "failureThreshold": 5,
        "timeoutSeconds": 2,
    }


def _service() -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": _LABELS},
        "spec": {
            "selector": _LABELS,
            "clusterIP": SERVICE_OF_DNS,
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                {"name": "metrics", "port": 9153, "protocol": "TCP"},
            ],
        },
    }
