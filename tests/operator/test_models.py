"""The operator and models, on a real API server."""

from collections.abc import Iterator
from typing import Any

import pytest
from api_server import Api, eventually
from machines import CARD_NODES, NODES, add_node, card, report
from manifests import SHA, changed, model, pool
from operator_process import Operator

POOLS = "/apis/asr.gharial.dev/v1alpha1/asrcardpools"
HERE = "namespaces/default"
MODELS = f"/apis/asr.gharial.dev/v1alpha1/{HERE}/asrmodels"
DEPLOYMENTS = f"/apis/apps/v1/{HERE}/deployments"
TEMPLATES = f"/apis/resource.k8s.io/v1/{HERE}/resourceclaimtemplates"
ROUTES = f"/apis/gateway.networking.k8s.io/v1/{HERE}/httproutes"
POLICIES = f"/apis/gateway.envoyproxy.io/v1alpha1/{HERE}/backendtrafficpolicies"
GATEWAYS = f"/apis/gateway.networking.k8s.io/v1/{HERE}/gateways"
PODS = f"/api/v1/{HERE}/pods"
CHILDREN = (
    DEPLOYMENTS,
    TEMPLATES,
    ROUTES,
    POLICIES,
    f"/api/v1/{HERE}/services",
    f"/api/v1/{HERE}/serviceaccounts",
    f"/apis/policy/v1/{HERE}/poddisruptionbudgets",
)
ROUTED = {"gatewayRef": {"name": "speech"}, "hostnames": ["speech.example.com"]}

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture(autouse=True)
def cards(api: Api) -> Iterator[None]:
    """One node with one good card in the pool `cards`; everything is gone again afterwards."""
    add_node(api, "node-a", {"asr.gharial.dev/cards": "simulated"})
    api.request("POST", POOLS, pool())
    eventually(lambda: api.get(f"{CARD_NODES}/node-a"))
    report(api, "node-a", card())
    yield
    for path in (MODELS, POOLS, PODS, NODES, GATEWAYS):
        for item in api.items(path):
            name = item["metadata"]["name"]
            api.request("DELETE", f"{path}/{name}", {"gracePeriodSeconds": 0})
    eventually(lambda: not any(api.items(path) for path in (MODELS, POOLS, CARD_NODES)))
    assert not [item for path in CHILDREN for item in ours(api, path)]


def ours(api: Api, path: str) -> list[Any]:
    return [item for item in api.items(path) if "asr.gharial.dev/model" in item["metadata"].get("labels", {})]


def becomes(api: Api, kind: str, reason: str, name: str = "english") -> dict[str, Any]:
    def reached() -> dict[str, Any] | None:
        conditions = api.get(f"{MODELS}/{name}").get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == kind and c["reason"] == reason), None)

    return eventually(reached)


def add_pod(api: Api, name: str, status: dict[str, Any]) -> None:
    """A pod of the model, as the Deployment's controller and the kubelet would write it."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"asr.gharial.dev/model": "english"}},
        "spec": {"containers": [{"name": "server", "image": "server"}], "serviceAccountName": "english"},
    }
    eventually(lambda: api.get(f"/api/v1/{HERE}/serviceaccounts/english"))
    api.apply(f"{PODS}/{name}", pod)
    api.merge(f"{PODS}/{name}/status", {"status": status})


def condition(kind: str, status: str, message: str = "") -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": "Test", "message": message}


READY_POD = {"conditions": [condition("PodScheduled", "True"), condition("Ready", "True")]}


def test_a_model_becomes_claim_template_deployment_service_route_and_budget(api: Api) -> None:
    api.request("POST", MODELS, model(routing=ROUTED))
    becomes(api, "Ready", "PodsStarting")
    for path in CHILDREN:
        child = eventually(lambda path=path: api.get(f"{path}/english"))
        assert child["metadata"]["ownerReferences"][0]["kind"] == "AsrModel"
    pod = api.get(f"{DEPLOYMENTS}/english")["spec"]["template"]["spec"]
    assert pod["resourceClaims"] == [{"name": "card", "resourceClaimTemplateName": "english"}]
    server = pod["containers"][0]
    assert server["resources"]["claims"] == [{"name": "card"}]
    assert SHA in server["args"]
    assert server["securityContext"]["readOnlyRootFilesystem"] is True
    rule = api.get(f"{ROUTES}/english")["spec"]["rules"][0]
    assert rule["matches"][-1]["path"] == {"type": "Exact", "value": "/asr/v0.1/stream"}


def test_a_model_is_ready_when_its_pods_are_and_the_gateway_accepts_the_route(api: Api) -> None:
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "speech"},
        "spec": {"gatewayClassName": "x", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    }
    api.request("POST", MODELS, model(routing=ROUTED))
    add_pod(api, "english-1", READY_POD)
    assert "kubectl get gateways" in becomes(api, "RouteAccepted", "RoutePending")["message"]
    api.request("POST", GATEWAYS, gateway)
    api.merge(f"{GATEWAYS}/speech/status", {"status": {"addresses": [{"value": "10.1.2.3"}]}})
    refusal = {"type": "Accepted", "status": "False", "reason": "NotAllowedByListeners", "message": "Wrong namespace."}
    parents = [{"parentRef": {"name": "speech"}, "controllerName": "x/y", "conditions": [refusal]}]
    api.merge(f"{ROUTES}/english/status", {"status": {"parents": parents}})
    assert "NotAllowedByListeners: Wrong namespace." in becomes(api, "RouteAccepted", "RouteRefused")["message"]
    parents[0]["conditions"] = [{"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""}]
    api.merge(f"{ROUTES}/english/status", {"status": {"parents": parents}})
    assert becomes(api, "Ready", "PodsReady")["status"] == "True"
    status = api.get(f"{MODELS}/english")["status"]
    assert status["url"] == "ws://speech.example.com/asr/v0.1/stream"
    assert (status["replicas"], status["readyReplicas"], status["streamCapacity"]) == (1, 1, 16)
    assert api.get(f"{MODELS}/english/scale")["status"] == {"replicas": 1, "selector": "asr.gharial.dev/model=english"}


def test_a_wrong_checksum_says_what_was_expected_and_what_was_found(api: Api) -> None:
    words = f"ChecksumMismatch: /opt/x has sha256 {'1' * 64}, wanted {SHA}. Put the right sum into the spec."
    ended = {"exitCode": 1, "message": words}
    crashed = {
        "name": "server",
        "restartCount": 3,
        "ready": False,
        "image": "",
        "imageID": "",
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": ended},
    }
    api.request("POST", MODELS, model())
    add_pod(api, "english-1", {"conditions": [condition("PodScheduled", "True")], "containerStatuses": [crashed]})
    found = becomes(api, "Ready", "ChecksumMismatch")
    assert SHA in found["message"]
    assert "1" * 64 in found["message"]


def add_claim(api: Api, pod: str, like: dict[str, Any]) -> None:
    """The claim that Kubernetes makes for a pod, from the template as it is."""
    uid = api.get(f"{PODS}/{pod}")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid, "controller": True}
    meta = {"name": f"{pod}-card", "labels": {"asr.gharial.dev/model": "english"}, "ownerReferences": [owner]}
    claim = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": meta,
        "spec": like["spec"]["spec"],
    }
    api.request("POST", f"/apis/resource.k8s.io/v1/{HERE}/resourceclaims", claim)


def test_a_pod_that_waits_for_a_card_of_before_is_made_anew_and_no_other(api: Api) -> None:
    api.request("POST", MODELS, model(replicas=3))
    before = eventually(lambda: api.get(f"{TEMPLATES}/english"))
    nowhere = {"conditions": [condition("PodScheduled", "False", "0/1 nodes are available")]}
    for name, status in (("waits", nowhere), ("runs", READY_POD), ("without-claim", nowhere)):
        add_pod(api, name, status)
    for name in ("waits", "runs"):
        add_claim(api, name, before)
    api.merge(f"{POOLS}/cards", {"spec": {"bitstream": {"version": "1.3.0", "sha256": SHA[::-1]}}})
    eventually(lambda: api.get(f"{PODS}/waits") is None)
    after = eventually(lambda: api.get(f"{TEMPLATES}/english"))
    assert after["spec"] != before["spec"]
    # Its successor waits for a card of now, and is left alone.
    add_pod(api, "waits-again", nowhere)
    add_claim(api, "waits-again", after)
    api.merge(f"{MODELS}/english", {"spec": {"replicas": 2}})
    eventually(lambda: api.get(f"{MODELS}/english")["status"]["observedGeneration"] == 2)
    left = {pod["metadata"]["name"] for pod in api.items(PODS)}
    assert left == {"runs", "without-claim", "waits-again"}
    for claim in api.items(f"/apis/resource.k8s.io/v1/{HERE}/resourceclaims"):
        api.delete(f"/apis/resource.k8s.io/v1/{HERE}/resourceclaims/{claim['metadata']['name']}")


def test_too_few_cards_are_explained_with_numbers_and_names(api: Api) -> None:
    report(api, "node-a", card(licence={"state": "Expired"}, phase="Pending"))
    api.request("POST", MODELS, model(replicas=2))
    found = becomes(api, "CapacityAvailable", "InsufficientCards")
    assert "2 pods wanted, but pool cards has 0 usable of 1 card" in found["message"]
    assert "node-a 0000:3b:00.0 (licence Expired)" in found["message"]
    becomes(api, "Ready", "InsufficientCards")


def test_a_model_whose_pool_does_not_exist_says_so_and_recovers_when_it_comes(api: Api) -> None:
    api.request("POST", MODELS, model(poolRef={"name": "later"}))
    assert "kubectl get asrcardpools" in becomes(api, "Ready", "PoolNotFound")["message"]
    api.request("POST", POOLS, pool("later", nodeSelector={"role": "later"}))
    becomes(api, "Ready", "InsufficientCards")


def test_an_unknown_architecture_asks_for_a_capacity(api: Api) -> None:
    api.request("POST", MODELS, changed(model(), "spec.model.architecture", "huge"))
    assert "add an entry to spec.capacity of AsrCardPool cards" in becomes(api, "Ready", "CapacityUnknown")["message"]


def test_what_others_change_or_delete_is_put_right(api: Api) -> None:
    api.request("POST", MODELS, model())
    eventually(lambda: api.get(f"{DEPLOYMENTS}/english"))
    api.merge(f"{DEPLOYMENTS}/english", {"spec": {"replicas": 7}})
    eventually(lambda: api.get(f"{DEPLOYMENTS}/english")["spec"]["replicas"] == 1)
    api.delete(f"/api/v1/{HERE}/services/english")
    eventually(lambda: api.get(f"/api/v1/{HERE}/services/english"))


def test_scaling_the_model_scales_its_deployment(api: Api) -> None:
    api.request("POST", MODELS, model())
    eventually(lambda: api.get(f"{DEPLOYMENTS}/english"))
    api.merge(f"{MODELS}/english/scale", {"spec": {"replicas": 3}})
    eventually(lambda: api.get(f"{DEPLOYMENTS}/english")["spec"]["replicas"] == 3)


def test_a_model_that_loses_its_gateway_loses_its_route(api: Api) -> None:
    api.request("POST", MODELS, model(routing=ROUTED))
    eventually(lambda: api.get(f"{ROUTES}/english") and api.get(f"{POLICIES}/english"))
    api.merge(f"{MODELS}/english", {"spec": {"routing": {"gatewayRef": None, "hostnames": []}}})
    eventually(lambda: not api.get(f"{ROUTES}/english") and not api.get(f"{POLICIES}/english"))


def test_a_new_bitstream_replaces_the_claim_template_and_leaves_the_pods_alone(api: Api) -> None:
    api.request("POST", MODELS, model())
    eventually(lambda: api.get(f"{TEMPLATES}/english"))
    before = eventually(lambda: api.get(f"{DEPLOYMENTS}/english"))["metadata"]["generation"]
    api.merge(f"{POOLS}/cards", {"spec": {"bitstream": {"version": "1.3.0"}}})

    def expression() -> str:
        live = api.get(f"{TEMPLATES}/english")
        return str(live["spec"]) if live else ""

    eventually(lambda: 'semver("1.3.0")' in expression().replace("\\", ""))
    assert api.get(f"{DEPLOYMENTS}/english")["metadata"]["generation"] == before


def test_a_deleted_model_closes_its_route_first_and_waits_for_its_pods(api: Api) -> None:
    api.request("POST", MODELS, model(routing=ROUTED))
    eventually(lambda: api.get(f"{ROUTES}/english"))
    add_pod(api, "english-1", READY_POD)
    becomes(api, "CapacityAvailable", "CardsAvailable")
    api.delete(f"{MODELS}/english")
    eventually(lambda: not api.get(f"{ROUTES}/english") and not api.get(f"{DEPLOYMENTS}/english"))
    assert "1 pod left to drain" in becomes(api, "Ready", "Deleting")["message"]
    assert api.get(f"/api/v1/{HERE}/services/english")
    api.request("DELETE", f"{PODS}/english-1", {"gracePeriodSeconds": 0})
    eventually(lambda: api.get(f"{MODELS}/english") is None)


def test_a_deleted_pool_waits_for_its_models(api: Api) -> None:
    api.request("POST", MODELS, model())
    eventually(lambda: api.get(f"{DEPLOYMENTS}/english"))
    api.delete(f"{POOLS}/cards")

    def held() -> bool:
        conditions = api.get(f"{POOLS}/cards")["status"]["conditions"]
        return any(c["reason"] == "InUseByModels" and "default/english" in c["message"] for c in conditions)

    eventually(held)
    assert api.get(f"{CARD_NODES}/node-a")
    api.delete(f"{MODELS}/english")
    eventually(lambda: api.get(f"{POOLS}/cards") is None and api.get(f"{CARD_NODES}/node-a") is None)


def test_a_pool_of_cores_gives_its_pods_whole_cores_and_no_claim(api: Api) -> None:
    spec = {"driver": "cpu", "bitstream": None, "licences": None, "podResources": {"cpu": "2", "memory": "2Gi"}}
    api.request("POST", POOLS, pool("cores", **spec))
    api.request("POST", MODELS, model(poolRef={"name": "cores"}))
    pod = eventually(lambda: api.get(f"{DEPLOYMENTS}/english"))["spec"]["template"]["spec"]
    assert "resourceClaims" not in pod
    server = pod["containers"][0]
    assert server["resources"]["limits"] == server["resources"]["requests"] == {"cpu": "2", "memory": "2Gi"}
    assert "--backend cpu" in " ".join(server["args"])


def test_the_fleet_at_one_look_has_pools_and_models_with_their_counts(api: Api, operator: Operator) -> None:
    api.request("POST", MODELS, model())
    eventually(lambda: api.get(f"{MODELS}/english").get("status", {}).get("conditions"))
    fleet = eventually(lambda: (found := operator.fleet())["models"] and found["pools"][0]["cards"] and found)
    assert fleet["pools"][0] | {"state": ""} == {
        "name": "cards", "driver": "simulated", "nodes": 1, "cards": 1, "ready": 1, "state": "",
    }  # fmt: skip
    assert fleet["models"][0] | {"state": ""} == {
        "name": "default/english", "pool": "cards", "replicas": 0, "ready": 0, "streams": 0, "capacity": 0, "state": "",
    }  # fmt: skip
