"""The operator, pools of GPUs and of cores, on a real API server. NVIDIA's part is written by the tests."""

from collections.abc import Iterator
from typing import Any

import pytest
from api_server import Api, eventually
from machines import CARD_NODES, NODES, add_node, card, report
from manifests import model, pool
from nvidia import GPU, HERE, LABELS, MODELS, PODS, POOLS, SLICES, becomes, gpu_device, publish
from operator_process import Operator

DEPLOYMENTS = f"/apis/apps/v1/{HERE}/deployments"
TEMPLATES = f"/apis/resource.k8s.io/v1/{HERE}/resourceclaimtemplates"
ACCOUNTS = f"/api/v1/{HERE}/serviceaccounts"

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture(autouse=True)
def empty(api: Api) -> Iterator[None]:
    yield
    for path in (MODELS, POOLS, PODS, SLICES, NODES):
        for item in api.items(path):
            api.request("DELETE", f"{path}/{item['metadata']['name']}", {"gracePeriodSeconds": 0})
    eventually(lambda: not any(api.items(path) for path in (MODELS, POOLS, CARD_NODES)))


def bare(driver: str, **spec: Any) -> dict[str, Any]:
    return pool(driver=driver, bitstream=None, licences=None, **spec)


def pod_of(api: Api, name: str = "english") -> dict[str, Any]:
    """The pod that the model's Deployment asks for."""
    found: dict[str, Any] = eventually(lambda: api.get(f"{DEPLOYMENTS}/{name}"))["spec"]["template"]
    return found


def test_a_pool_of_gpus_names_what_is_missing_and_counts_what_the_device_plugin_offers(api: Api) -> None:
    add_node(api, "node-a", LABELS)
    api.request("POST", POOLS, bare("cuda"))
    becomes(api, f"{POOLS}/cards", "Ready", "GpusNotOffered", "install NVIDIA's GPU operator")
    api.merge(f"{NODES}/node-a/status", {"status": {"allocatable": {GPU: "2"}, "capacity": {GPU: "2"}}})
    live = becomes(api, f"{POOLS}/cards", "Ready", "CardsReady", "2 pods of one nvidia.com/gpu, 1 core and 1Gi fit")
    assert live["status"]["cards"]["summary"] == "2/2"
    assert live["status"]["nodes"] == 1
    spec = api.get(f"{CARD_NODES}/node-a")["spec"]
    assert (spec["driver"], spec["rollout"]["state"], spec["flash"]) == ("cuda", "Done", "Hold")
    assert "bitstream" not in spec
    assert "unschedulable" not in api.get(f"{NODES}/node-a")["spec"]


def test_a_model_on_gpus_asks_the_device_plugin_and_knows_how_many_there_are(api: Api) -> None:
    add_node(api, "node-a", LABELS, **{GPU: "2"})
    api.request("POST", POOLS, bare("cuda", gpu={"runtimeClassName": "nvidia"}))
    api.request("POST", MODELS, model(replicas=3))
    pod = pod_of(api)["spec"]
    assert pod["runtimeClassName"] == "nvidia"
    assert pod["tolerations"] == [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]
    assert pod["containers"][0]["resources"]["limits"][GPU] == "1"
    becomes(api, f"{MODELS}/english", "CapacityAvailable", "InsufficientCards", "2 usable of 2 cards")
    api.merge(f"{MODELS}/english/scale", {"spec": {"replicas": 2}})
    becomes(api, f"{MODELS}/english", "CapacityAvailable", "CardsAvailable")


def test_a_model_on_gpus_claims_them_by_nvidias_device_class(api: Api) -> None:
    add_node(api, "node-a", LABELS)
    publish(api, "node-a", gpu_device(0), gpu_device(1, "NVIDIA H100", "81559Mi"))
    claims = {"claimBy": "ResourceClaim", "productName": "NVIDIA H100", "minMemory": "40Gi"}
    api.request("POST", POOLS, bare("cuda", gpu=claims))
    becomes(api, f"{POOLS}/cards", "Ready", "CardsReady", "1 pod of one gpu.nvidia.com")
    api.request("POST", MODELS, model())
    pod = pod_of(api)["spec"]
    assert pod["resourceClaims"] == [{"name": "card", "resourceClaimTemplateName": "english"}]
    assert pod["containers"][0]["resources"]["claims"] == [{"name": "card"}]
    assert GPU not in pod["containers"][0]["resources"]["limits"]
    request = api.get(f"{TEMPLATES}/english")["spec"]["spec"]["devices"]["requests"][0]["exactly"]
    assert request["deviceClassName"] == "gpu.nvidia.com"
    assert '.productName == "NVIDIA H100"' in request["selectors"][0]["cel"]["expression"]


def test_a_sick_gpu_degrades_the_pool_by_name_and_leaves_the_node_alone(api: Api) -> None:
    add_node(api, "node-a", LABELS, **{GPU: "2"})
    api.request("POST", POOLS, bare("cuda"))
    eventually(lambda: api.get(f"{CARD_NODES}/node-a"))
    sick = {"health": "Unhealthy", "phase": "Failed", "healthMessage": "NVIDIA's driver reported Xid 79."}
    good = {"bitstream": "", "licence": {"state": "NotNeeded"}, "streams": {}}
    report(
        api,
        "node-a",
        card(uniqueId="GPU-0", **good),
        card("0000:3c:00.0", uniqueId="GPU-1", **{**good, **sick}),
    )
    live = becomes(api, f"{POOLS}/cards", "Degraded", "CardUnhealthy", "node-a 0000:3c:00.0", "Xid 79")
    assert live["status"]["cards"]["summary"] == "1/2"
    becomes(api, f"{POOLS}/cards", "LicencesValid", "LicencesNotNeeded")
    node = api.get(f"{NODES}/node-a")
    assert {taint["key"] for taint in node["spec"].get("taints", [])} <= {"node.kubernetes.io/not-ready"}
    assert not [key for key in node["metadata"].get("labels", {}) if key.endswith("/rollout")]


def test_a_deleted_pool_of_gpus_takes_its_card_nodes_along(api: Api) -> None:
    add_node(api, "node-a", LABELS, **{GPU: "1"})
    api.request("POST", POOLS, bare("cuda"))
    eventually(lambda: api.get(f"{CARD_NODES}/node-a"))
    api.delete(f"{POOLS}/cards")
    eventually(lambda: api.get(f"{POOLS}/cards") is None and api.get(f"{CARD_NODES}/node-a") is None)


def test_a_pod_on_cores_is_guaranteed_and_what_others_hold_is_left_out_of_the_count(api: Api) -> None:
    add_node(api, "node-a", LABELS, cpu="8")
    asked = {"requests": {"cpu": "2500m"}}
    other = {
        "metadata": {"name": "other"},
        "spec": {"nodeName": "node-a", "containers": [{"name": "x", "image": "x", "resources": asked}]},
    }
    eventually(lambda: api.get(f"{ACCOUNTS}/default") or api.apply(f"{ACCOUNTS}/default", account("default")))
    api.request("POST", PODS, {"apiVersion": "v1", "kind": "Pod", **other})
    api.request("POST", POOLS, bare("cpu", podResources={"cpu": "2", "memory": "2Gi"}))
    live = becomes(api, f"{POOLS}/cards", "Ready", "CardsReady", "node-a has 5.5 of 8 cores left")
    assert live["status"]["cards"]["summary"] == "2/4"
    api.request("POST", MODELS, model())
    template = pod_of(api)
    eventually(lambda: api.get(f"{ACCOUNTS}/english"))
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {**template["metadata"], "name": "english-1"}}
    pod = api.request("POST", PODS, {**made, "spec": {**template["spec"], "nodeName": "node-a"}})
    assert pod["status"]["qosClass"] == "Guaranteed"
    # The pool's own pod takes nothing from the pool.
    api.merge(f"{POOLS}/cards", {"spec": {"podResources": {"memory": "1Gi"}}})
    live = becomes(api, f"{POOLS}/cards", "Ready", "CardsReady", "2 pods of 2 cores and 1Gi fit")
    assert api.items(CARD_NODES) == []


def account(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def test_streams_of_a_pool_of_gpus_are_those_of_its_models(api: Api, operator: Operator) -> None:
    add_node(api, "node-a", LABELS, **{GPU: "1"})
    api.request("POST", POOLS, bare("cuda"))
    api.request("POST", MODELS, model())
    pod = pod_of(api)
    eventually(lambda: api.get(f"{ACCOUNTS}/english"))
    made = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**pod["metadata"], "name": "english-1"},
        "spec": pod["spec"],
    }
    api.request("POST", PODS, made)
    ready = [{"type": kind, "status": "True", "reason": "Test", "message": ""} for kind in ("PodScheduled", "Ready")]
    api.merge(f"{PODS}/english-1/status", {"status": {"conditions": ready}})
    eventually(lambda: api.get(f"{MODELS}/english").get("status", {}).get("streamCapacity") == 800)
    api.merge(f"{POOLS}/cards", {"spec": {"podResources": {"memory": "2Gi"}}})
    eventually(lambda: api.get(f"{POOLS}/cards")["status"]["streams"] == {"capacity": 800, "used": 0})
