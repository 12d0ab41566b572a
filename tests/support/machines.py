"""What kubelets and card agents would write, written by tests."""

from typing import Any

from api_server import Api

NODES = "/api/v1/nodes"
CARD_NODES = "/apis/asr.gharial.dev/v1alpha1/asrcardnodes"
WHEN = "2026-01-01T00:00:00Z"


def add_node(api: Api, name: str, labels: dict[str, str], *, ready: bool = True, **allocatable: str) -> None:
    """A Kubernetes node, as its kubelet would register it: 4 cores and 16 GiB unless `allocatable` says otherwise."""
    has = {"cpu": "4", "memory": "16Gi", **allocatable}
    api.apply(f"{NODES}/{name}", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
    condition = {
        "type": "Ready",
        "status": "True" if ready else "False",
        "reason": "Test",
        "message": "",
        "lastHeartbeatTime": WHEN,
        "lastTransitionTime": WHEN,
    }
    api.merge(f"{NODES}/{name}/status", {"status": {"conditions": [condition], "allocatable": has, "capacity": has}})


def card(address: str = "0000:3b:00.0", **fields: Any) -> dict[str, Any]:
    """A good card, as its agent would report it."""
    good = {
        "pciAddress": address,
        "uniqueId": "0123456789abcdef",
        "bitstream": "1.2.0",
        "licence": {"state": "Valid"},
        "health": "Healthy",
        "streams": {"capacity": 16, "used": 0},
        "phase": "Ready",
    }
    return {**good, **fields}


def report(api: Api, node: str, *cards: dict[str, Any], conditions: list[dict[str, Any]] | None = None) -> None:
    """The agent's report of a node."""
    live = api.get(f"{CARD_NODES}/{node}")
    status = {
        "observedGeneration": live["metadata"]["generation"],
        "cards": list(cards),
        "conditions": conditions or [],
        "bitstream": {"target": live["spec"].get("bitstream", {}).get("version", "")},
    }
    api.merge(f"{CARD_NODES}/{node}/status", {"status": status})
