"""What the API server makes of a good object."""

import json

from api_server import Api
from gharial_api import AsrCardPool, AsrModel
from gharial_cluster.control_plane import run_kubectl
from manifests import model, pool

POOLS = "/apis/asr.gharial.dev/v1alpha1/asrcardpools"
MODELS = "/apis/asr.gharial.dev/v1alpha1/namespaces/default/asrmodels"


def test_the_api_server_fills_in_the_same_defaults_as_the_models(api: Api) -> None:
    for collection, good, kind in ((POOLS, pool(), AsrCardPool), (MODELS, model(), AsrModel)):
        stored = api.request("POST", f"{collection}?dryRun=All", good)
        assert stored["spec"] == kind.model_validate(good).spec.to_json()


def test_a_bare_object_gets_every_nested_default(api: Api) -> None:
    stored = api.request("POST", f"{POOLS}?dryRun=All", pool(upgradePolicy={"paused": True}))
    assert stored["spec"]["upgradePolicy"] == {
        "paused": True,
        "maxUnavailable": 1,
        "minAvailableStreams": 0,
        "drain": {"timeoutSeconds": 3600, "onTimeout": "Wait"},
        "maintenanceWindows": [],
        "retries": 3,
        "backoffSeconds": 60,
        "rollbackOnFailure": False,
        "reset": "",
    }


def test_scale_reads_and_writes_replicas(api: Api) -> None:
    api.request("POST", MODELS, model("scaled"))
    run_kubectl(api.kubeconfig, "scale", "asrmodel/scaled", "--replicas=3")
    scale = api.get(f"{MODELS}/scaled/scale")
    assert scale["spec"]["replicas"] == 3
    assert api.get(f"{MODELS}/scaled")["spec"]["replicas"] == 3
    api.delete(f"{MODELS}/scaled")


def test_short_names_and_the_category_list_our_kinds(api: Api) -> None:
    listed = run_kubectl(api.kubeconfig, "api-resources", "--categories=gharial", "--no-headers")
    assert {line.split()[1] for line in listed.splitlines()} == {"acp", "acn", "asrm"}


def test_explain_reads_like_documentation(api: Api) -> None:
    text = run_kubectl(api.kubeconfig, "explain", "asrcardpool.spec.upgradePolicy.maxUnavailable")
    assert "Nodes that may be out of service at a time" in " ".join(text.split())


def test_the_table_shows_readiness_with_its_reason(api: Api) -> None:
    api.request("POST", POOLS, pool("shown"))
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": "NoNodesMatch",
        "message": "None.",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 1,
    }
    api.merge(f"{POOLS}/shown/status", {"status": {"conditions": [condition]}})
    table = run_kubectl(api.kubeconfig, "get", "acp")
    assert "READY" in table and "REASON" in table and "NoNodesMatch" in table
    api.delete(f"{POOLS}/shown")


def test_kubectl_apply_of_a_good_object_twice_changes_nothing(api: Api) -> None:
    for _ in range(2):
        run_kubectl(api.kubeconfig, "apply", "-f", "-", stdin=json.dumps(pool("twice")))
    assert api.get(f"{POOLS}/twice")["metadata"]["generation"] == 1
    api.delete(f"{POOLS}/twice")
