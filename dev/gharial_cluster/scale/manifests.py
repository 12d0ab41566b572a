"""The objects of a large fleet: pure functions."""

from typing import Any

import yaml

JsonObject = dict[str, Any]

VERSION = "1.14.0"
DIGEST = "0123456789abcdef" * 4
LABEL = {"asr.gharial.dev/cards": "simulated"}
POOL = "fleet"
ACCOUNT = "gharial-operator"
SYSTEM = "gharial-system"


def node(name: str) -> JsonObject:
    """A node as its kubelet would register it; kwok makes it ready and renews its lease."""
    labels = {**LABEL, "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}}


def pool() -> JsonObject:
    """One pool of all nodes, which is the hardest case: every card's change concerns all of it."""
    return {
        "apiVersion": "asr.gharial.dev/v1alpha1",
        "kind": "AsrCardPool",
        "metadata": {"name": POOL},
        "spec": {
            "driver": "simulated",
            "nodeSelector": LABEL,
            "bitstream": {"version": VERSION, "url": "https://example.com/card.bit", "sha256": DIGEST},
            "licences": [{"secretRef": {"name": "licences"}}],
            "podResources": {"cpu": "1", "memory": "1Gi"},
        },
    }


def model(name: str) -> JsonObject:
    """A model with one pod on one card."""
    source = {
        "name": name,
        "language": "en",
        "architecture": "starter",
        "checkpoint": {"uri": "/opt/gharial/models/starter/starter.gharial", "sha256": DIGEST},
    }
    return {
        "apiVersion": "asr.gharial.dev/v1alpha1",
        "kind": "AsrModel",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"poolRef": {"name": POOL}, "model": source, "replicas": 1},
    }


def flow_schema() -> JsonObject:
    """Makes the API server count the operator's requests apart from all others; they are served as before."""
    rules = {
        "subjects": [{"kind": "ServiceAccount", "serviceAccount": {"name": ACCOUNT, "namespace": SYSTEM}}],
        "resourceRules": [
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
        ],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    }
    return {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": {"name": ACCOUNT},
        "spec": {
            "priorityLevelConfiguration": {"name": "workload-low"},
            "matchingPrecedence": 1000,
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [rules],
        },
    }


_READY = """\
conditions:
{{ range NodeConditions }}
- type: {{ .type | Quote }}
  status: {{ .status | Quote }}
  reason: {{ .reason | Quote }}
  message: {{ .message | Quote }}
  lastHeartbeatTime: {{ Now | Quote }}
  lastTransitionTime: {{ Now | Quote }}
{{ end }}
allocatable: {cpu: "32", memory: 128Gi, pods: "110"}
capacity: {cpu: "32", memory: 128Gi, pods: "110"}
phase: Running
"""


def kwok_stages() -> str:
    """How kwok's nodes live: ready at once, a heartbeat of the status every five minutes, like a kubelet's."""
    return yaml.safe_dump_all([_stage("ready", "NotIn", 0), _stage("heartbeat", "In", 300_000)])


def _stage(name: str, operator: str, delay_ms: int) -> JsonObject:
    key = '.status.conditions.[] | select( .type == "Ready" ) | .status'
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": f"node-{name}"},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Node"},
            "selector": {"matchExpressions": [{"key": key, "operator": operator, "values": ["True"]}]},
            "delay": {"durationMilliseconds": delay_ms, "jitterDurationMilliseconds": 2 * delay_ms},
            "next": {"statusTemplate": _READY},
        },
    }
