"""Models on GPUs as far as Kubernetes' own scheduler takes them. There is no kubelet, so pods get a node and wait."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from api_server import Api, RefusedError, eventually
from machines import CARD_NODES, NODES, add_node
from manifests import model, pool
from nvidia import GPU, HERE, LABELS, MODELS, PODS, POOLS, SLICES, becomes, gpu_device, publish
from scheduling import scheduling

CLASSES = "/apis/resource.k8s.io/v1/deviceclasses"
CLAIMS = f"/apis/resource.k8s.io/v1/{HERE}/resourceclaims"
#: As NVIDIA's DRA driver brings it.
WHOLE_GPU = "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'gpu'"

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture(scope="module", autouse=True)
def kubernetes(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    device_class = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": "gpu.nvidia.com"},
        "spec": {"selectors": [{"cel": {"expression": WHOLE_GPU}}]},
    }
    api.apply(f"{CLASSES}/gpu.nvidia.com", device_class)
    with scheduling(api.kubeconfig, tmp_path_factory.mktemp("scheduling")):
        yield
    api.delete(f"{CLASSES}/gpu.nvidia.com")


@pytest.fixture(autouse=True)
def empty(api: Api) -> Iterator[None]:
    yield
    for path in (MODELS, POOLS):
        for item in api.items(path):
            api.delete(f"{path}/{item['metadata']['name']}")
    eventually(lambda: not force(api, PODS) and not any(api.items(path) for path in (MODELS, POOLS, CARD_NODES)), 60)
    force(api, SLICES)
    force(api, NODES)


def force(api: Api, path: str) -> bool:
    """Deletes what no kubelet will; says whether there was anything."""
    found = api.items(path)
    for item in found:
        with contextlib.suppress(RefusedError):  # its owner's end has taken it along meanwhile
            api.request("DELETE", f"{path}/{item['metadata']['name']}", {"gracePeriodSeconds": 0})
    return bool(found)


def node_with(api: Api, name: str, **resources: str) -> None:
    """A node that pods may go to, kept for GPU pods as clouds do it."""
    add_node(api, name, LABELS, pods="110", **resources)
    taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    api.merge(f"{NODES}/{name}", {"spec": {"taints": [taint]}})


def cuda(**gpu: Any) -> dict[str, Any]:
    return pool(driver="cuda", bitstream=None, licences=None, gpu=gpu or None)


def places(api: Api) -> list[str]:
    """Nodes of the model's pods, unplaced ones as empty."""
    return sorted(pod["spec"].get("nodeName", "") for pod in api.items(PODS))


def test_pods_get_gpus_of_the_device_plugin_and_the_one_too_many_says_why(api: Api) -> None:
    node_with(api, "node-a", **{GPU: "1"})
    node_with(api, "node-b", **{GPU: "1"})
    api.request("POST", POOLS, cuda())
    api.request("POST", MODELS, model(replicas=2))
    eventually(lambda: places(api) == ["node-a", "node-b"], 60)
    becomes(api, f"{MODELS}/english", "CapacityAvailable", "CardsAvailable", "cards for 2 pods")
    api.merge(f"{MODELS}/english/scale", {"spec": {"replicas": 3}})
    eventually(lambda: places(api) == ["", "node-a", "node-b"], 60)
    becomes(api, f"{MODELS}/english", "Ready", "InsufficientCards", "2 usable of 2 cards")


def test_pods_get_the_gpu_that_the_pool_allows_from_the_dra_driver(api: Api) -> None:
    node_with(api, "node-a")
    publish(api, "node-a", gpu_device(0), gpu_device(1, "NVIDIA H100", "81559Mi"), gpu_device(2))
    api.request("POST", POOLS, cuda(claimBy="ResourceClaim", productName="NVIDIA H100", minMemory="40Gi"))
    api.request("POST", MODELS, model())
    eventually(lambda: places(api) == ["node-a"], 60)
    [claim] = api.items(CLAIMS)
    [result] = claim["status"]["allocation"]["devices"]["results"]
    assert (result["driver"], result["device"]) == ("gpu.nvidia.com", "gpu-1")
    becomes(api, f"{MODELS}/english", "CapacityAvailable", "CardsAvailable")


def test_a_device_without_the_attributes_that_the_pool_asks_for_does_not_stop_the_search(api: Api) -> None:
    node_with(api, "node-a")
    bare = {"name": "gpu-0", "attributes": {"type": {"string": "gpu"}, "uuid": {"string": "GPU-0"}}}
    publish(api, "node-a", bare, gpu_device(1))
    api.request("POST", POOLS, cuda(claimBy="ResourceClaim", productName="NVIDIA L4", minMemory="20Gi"))
    api.request("POST", MODELS, model())
    eventually(lambda: places(api) == ["node-a"], 60)
    assert api.items(CLAIMS)[0]["status"]["allocation"]["devices"]["results"][0]["device"] == "gpu-1"
