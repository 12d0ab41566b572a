"""What NVIDIA's components would write, and how a test waits for what the operator makes of it."""

from typing import Any

from api_server import Api, eventually

POOLS = "/apis/asr.gharial.dev/v1alpha1/asrcardpools"
HERE = "namespaces/default"
MODELS = f"/apis/asr.gharial.dev/v1alpha1/{HERE}/asrmodels"
SLICES = "/apis/resource.k8s.io/v1/resourceslices"
PODS = f"/api/v1/{HERE}/pods"
GPU = "nvidia.com/gpu"
LABELS = {"asr.gharial.dev/cards": "simulated"}


def becomes(api: Api, path: str, kind: str, reason: str, *words: str) -> dict[str, Any]:
    """Waits for a condition with a reason and these words; the object."""

    def reached() -> dict[str, Any] | None:
        live = api.get(path)
        conditions = live.get("status", {}).get("conditions", [])
        found = next((c for c in conditions if c["type"] == kind and c["reason"] == reason), {"message": ""})
        return live if found.get("reason") and all(word in found["message"] for word in words) else None

    return eventually(reached)


def publish(api: Api, node: str, *devices: dict[str, Any]) -> None:
    """A ResourceSlice, as NVIDIA's DRA driver would write it."""
    spec = {
        "driver": "gpu.nvidia.com",
        "nodeName": node,
        "pool": {"name": node, "generation": 1, "resourceSliceCount": 1},
        "devices": list(devices),
    }
    head = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": f"{node}-gpus"}}
    api.apply(f"{SLICES}/{node}-gpus", {**head, "spec": spec})


def gpu_device(index: int, product: str = "NVIDIA L4", memory: str = "23034Mi") -> dict[str, Any]:
    """A whole GPU as NVIDIA's DRA driver publishes it."""
    words = {"type": "gpu", "uuid": f"GPU-{index}", "productName": product, "brand": "Nvidia", "architecture": "Ada"}
    attributes: dict[str, Any] = {name: {"string": word} for name, word in words.items()}
    versions = {"cudaComputeCapability": "8.9.0", "driverVersion": "580.95.5", "cudaDriverVersion": "13.0.0"}
    attributes |= {name: {"version": version} for name, version in versions.items()}
    return {"name": f"gpu-{index}", "attributes": attributes, "capacity": {"memory": {"value": memory}}}
