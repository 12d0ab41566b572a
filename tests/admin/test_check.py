"""`gharial check` on a real API server: situations made for real, and what it says of them."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from api_server import ROOT, Api
from gharial_cluster.control_plane import free_ports, run_kubectl
from installation import (
    DEPLOYMENT,
    DEVICE_CLASS,
    MODELS,
    NODES,
    PODS,
    POOLS,
    good_card,
    now,
    put_lease,
    put_pod,
    put_slice,
    user_kubeconfig,
)
from machines import CARD_NODES, add_node, report
from manifests import model, pool
from rollout_hands import LABELS as MODEL_LABELS
from rollout_hands import add_pod, put_budget, reconcile

from .conftest import Check, Said

EARLIER = "2026-01-01T00:00:00Z"
SUPPORT = ROOT / "charts" / "gharial" / "files" / "support-cluster-rules.yaml"


def test_before_an_installation_it_says_what_the_cluster_lacks(bare: dict[str, Said]) -> None:
    assert bare["check"].status == 1
    assert "Nothing of Gharial is in this cluster" in bare["check"].out
    assert "helm upgrade --install gharial" in bare["check"].out
    assert set(bare["json"].findings()) == {"NotInstalled", "GatewayApiMissing"}
    assert bare["preflight"].status == 0
    assert "GatewayApiMissing" in bare["preflight"].out and "NotInstalled" not in bare["preflight"].out


def test_a_healthy_installation_is_called_healthy(installed: Api, run_check: Check) -> None:
    said = run_check()
    assert (said.status, said.err) == (0, "")
    assert "1 pool, 2 nodes, 2 cards, 0 models" in said.out
    assert said.out.strip().endswith("✓ Healthy, 1 warning.")  # the Gateway API is not there


def test_a_cluster_that_is_not_there_is_status_2_at_once(tmp_path: Path, run_check: Check) -> None:
    began = time.monotonic()
    said = run_check("--kubeconfig", str(_config(tmp_path, free_ports(1)[0])))
    assert said.status == 2 and "does not answer" in said.err and "--context" in said.err
    assert time.monotonic() - began < 10


def test_a_cluster_that_takes_connections_and_never_answers_holds_nobody_up(tmp_path: Path, run_check: Check) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        file = _config(tmp_path, silent.getsockname()[1])
        began = time.monotonic()
        said = run_check("--kubeconfig", str(file), "--timeout", "1")
        assert said.status == 2 and "does not answer" in said.err
        assert time.monotonic() - began < 10


def _config(folder: Path, port: int) -> Path:
    """A kubeconfig that leads to a port of this machine."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "gone",
        "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "nobody"}}],
        "clusters": [{"name": "gone", "cluster": {"server": f"https://127.0.0.1:{port}"}}],
        "users": [{"name": "nobody", "user": {}}],
    }
    file = folder / "config"
    file.write_text(yaml.safe_dump(config))
    return file


def test_without_a_kubeconfig_it_says_how_to_give_one(tmp_path: Path, run_check: Check) -> None:
    said = run_check("--kubeconfig", str(tmp_path / "none"))
    assert said.status == 2 and "set KUBECONFIG" in said.err


# -- faults ------------------------------------------------------------------------------------------


def licence_ran_out(api: Api) -> None:
    licence = {"state": "Expired", "expires": "2026-10-01", "message": "The licence ended on 2026-10-01."}
    report(api, "node-b", good_card(1, licence=licence))


def licence_ends_soon(api: Api) -> None:
    licence = {"state": "ExpiresSoon", "expires": "2026-12-01", "message": "The licence ends on 2026-12-01."}
    report(api, "node-b", good_card(1, licence=licence))


def card_died(api: Api) -> None:
    report(api, "node-b", good_card(1, health="Unhealthy", healthMessage="It left the bus.", phase="Failed"))


def node_lost(api: Api) -> None:
    add_node(api, "node-b", {"asr.gharial.dev/cards": "simulated"}, ready=False)


def admin_cordons(api: Api) -> None:
    run_kubectl(api.kubeconfig, "cordon", "node-b")
    _roll(api)


def budget_blocks_a_drain(api: Api) -> None:
    put_budget(api, 0)
    for node in NODES:
        add_pod(api, f"english-{node}", node)
    _roll(api)
    api.merge(f"{CARD_NODES}/node-a", {"spec": {"rollout": {"since": EARLIER}}})


def paused(api: Api) -> None:
    api.merge(f"{POOLS}/cards", {"spec": {"upgradePolicy": {"paused": True}}})
    _roll(api)


def wrong_checksum(api: Api) -> None:
    _roll(api)
    said = {"type": "Ready", "status": "False", "reason": "ChecksumMismatch", "message": "sha256 is 77, not 33."}
    said |= {"lastTransitionTime": now()}
    for number, node in enumerate(NODES):
        report(api, node, good_card(number), conditions=[said])
    reconcile()


def flash_failed_for_good(api: Api) -> None:
    api.merge(f"{POOLS}/cards", {"spec": {"upgradePolicy": {"retries": 0}}})
    _roll(api)
    last = {"attempt": 1, "result": "Failed", "time": now(), "version": "1.3.0", "message": "Status 4."}
    report(api, "node-a", good_card(0, phase="Failed", lastFlash=last))
    reconcile()


def two_pools_want_a_node(api: Api) -> None:
    api.request("POST", POOLS, pool("second", nodeSelector={"asr.gharial.dev/cards": "simulated"}))


def pool_selects_nothing(api: Api) -> None:
    api.request("POST", POOLS, pool("empty", nodeSelector={"no": "node"}))
    reconcile("empty")


def device_class_gone(api: Api) -> None:
    api.delete(DEVICE_CLASS)


def gpu_died(api: Api) -> None:
    add_node(api, "node-g", {"role": "gpu"}, **{"nvidia.com/gpu": "2"})
    put_pod(api, "agent-node-g", "agent", "node-g")
    gpus = {"driver": "cuda", "bitstream": None, "licences": None, "nodeSelector": {"role": "gpu"}}
    api.request("POST", POOLS, pool("gpus", **gpus))
    reconcile("gpus")
    sick = {"health": "Unhealthy", "phase": "Failed", "healthMessage": "NVIDIA's driver reported Xid 79."}
    good = {"pciAddress": "0000:3c:00.0", "uniqueId": "GPU-1", "health": "Healthy", "phase": "Ready"}
    report(api, "node-g", {"pciAddress": "0000:3b:00.0", "uniqueId": "GPU-0", **sick}, good)
    reconcile("gpus")


def agent_gone(api: Api) -> None:
    api.request("DELETE", f"{PODS}/agent-node-b?gracePeriodSeconds=0")


def agent_image_missing(api: Api) -> None:
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "gharial/agent:0.1.0"'}
    put_pod(api, "agent-node-b", "agent", "node-b", state={"waiting": waiting})


def operator_crashes(api: Api) -> None:
    api.merge(f"{DEPLOYMENT}/status", {"status": {"readyReplicas": 0}})
    ended = {"exitCode": 1, "reason": "Error", "message": "no way to reach a cluster"}
    state = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ended}}
    put_pod(api, "operator-1", "operator", "node-a", restartCount=7, **state)


def operator_scaled_away(api: Api) -> None:
    api.merge(DEPLOYMENT, {"spec": {"replicas": 0}})


def nobody_leads(api: Api) -> None:
    put_lease(api, "2026-01-01T00:00:00.000000Z")


def older_agents(api: Api) -> None:
    api.merge(f"{PODS.rpartition('/')[0].replace('/api/v1', '/apis/apps/v1')}/daemonsets/gharial-agent", _older())


def cards_not_offered(api: Api) -> None:
    api.delete("/apis/resource.k8s.io/v1/resourceslices/node-b-cards.asr.gharial.dev")


def cordon_of_a_pool_that_is_gone(api: Api) -> None:
    mark = {"metadata": {"annotations": {"asr.gharial.dev/cordoned-for": "gone"}}, "spec": {"unschedulable": True}}
    api.merge("/api/v1/nodes/node-b", mark)


def every_card_is_taken(api: Api) -> None:
    put_slice(
        api, "node-b", 1, taints=[{"key": "asr.gharial.dev/card", "value": "CardUnhealthy", "effect": "NoSchedule"}]
    )
    claims = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims"
    request = {"name": "card", "exactly": {"deviceClassName": "asr-card"}}
    head = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim"}
    metadata = {"name": "taken", "labels": {**MODEL_LABELS, "asr.gharial.dev/model": "german"}}
    api.request("POST", claims, {**head, "metadata": metadata, "spec": {"devices": {"requests": [request]}}})
    result = {"request": "card", "driver": "cards.asr.gharial.dev", "pool": "node-a", "device": "card-0123456789abcd00"}
    api.merge(f"{claims}/taken/status", {"status": {"allocation": {"devices": {"results": [result]}}}})
    _waiting_pod(api)


def model_without_pool(api: Api) -> None:
    api.request("POST", MODELS, model(poolRef={"name": "elsewhere"}))
    said = {"type": "Ready", "status": "False", "reason": "PoolNotFound", "message": "No pool elsewhere."}
    status = {"observedGeneration": 1, "conditions": [{**said, "lastTransitionTime": EARLIER}]}
    api.merge(f"{MODELS}/english/status", {"status": status})


def _waiting_pod(api: Api) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    api.apply("/api/v1/namespaces/default/serviceaccounts/default", account)
    claims = [{"name": "card", "resourceClaimTemplateName": "english"}]
    spec = {"containers": [{"name": "server", "image": "server"}], "resourceClaims": claims}
    head = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "english-w", "labels": MODEL_LABELS}}
    api.request("POST", "/api/v1/namespaces/default/pods", {**head, "spec": spec})
    nowhere = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": EARLIER}
    nowhere |= {"message": "0/2 nodes are available: 2 cannot allocate all claims."}
    body = {"status": {"phase": "Pending", "conditions": [nowhere]}}
    api.merge("/api/v1/namespaces/default/pods/english-w/status", body)


def _older() -> dict[str, object]:
    return {"metadata": {"labels": {"app.kubernetes.io/version": "0.0.9"}}}


def _roll(api: Api) -> None:
    wanted = {"version": "1.3.0", "url": "https://example.com/3.bit", "sha256": "3" * 64}
    api.merge(f"{POOLS}/cards", {"spec": {"bitstream": wanted}})
    reconcile()
    for number, node in enumerate(NODES):
        report(api, node, good_card(number))
    reconcile()


@pytest.mark.parametrize(
    ("fault", "code", "says", "remedy"),
    [
        (licence_ran_out, "LicenceRefused", "0123456789abcd01) may not serve (LicenceExpired)", "renewal"),
        (licence_ends_soon, "LicenceExpiresSoon", "2026-12-01", "renewal"),
        (card_died, "CardBroken", "It left the bus.", "lspci -s 0000:3b:00.0"),
        (gpu_died, "CardBroken", "GPU GPU-0: NVIDIA's driver reported Xid 79.", "delete that pod"),
        (node_lost, "NodeNotReady", "not ready", "kubectl describe node node-b"),
        (admin_cordons, "RolloutHeldUp", "node-b was cordoned by an admin", "kubectl uncordon node-b"),
        (budget_blocks_a_drain, "RolloutHeldUp", "PodDisruptionBudget default/english", "maxUnavailable"),
        (paused, "RolloutPaused", "2 of 2 nodes to go", "kubectl gharial rollout resume cards"),
        (wrong_checksum, "RolloutStopped", "node-a and node-b: ", "sha256sum"),
        (flash_failed_for_good, "RolloutStopped", "Flashing node-a failed", "kubectl gharial rollout retry cards"),
        (two_pools_want_a_node, "PoolsOverlap", "Both select node-a and node-b", "Narrow one"),
        (pool_selects_nothing, "PoolNotReady", "matches none of the cluster's 2 nodes", "describe asrcardpool empty"),
        (device_class_gone, "DeviceClassMissing", "no new pod can get a card", "helm upgrade"),
        (agent_gone, "AgentMissing", "no agent on node-b", "agent.nodeSelector"),
        (agent_image_missing, "AgentMissing", "gharial/agent:0.1.0 cannot be pulled", "imagePullSecrets"),
        (operator_crashes, "OperatorDown", "no way to reach a cluster", "--previous"),
        (operator_scaled_away, "OperatorDown", "scaled to 0", "--replicas=2"),
        (nobody_leads, "OperatorNotLeading", "none leads", "logs deployment/gharial-operator"),
        (older_agents, "VersionsDiffer", "agent 0.0.9, operator 0.1.0", "helm upgrade"),
        (cards_not_offered, "CardNotOffered", "1 card on node-b", "agent's log"),
        (cordon_of_a_pool_that_is_gone, "CordonLeftBehind", "pool gone", "kubectl uncordon node-b"),
        (every_card_is_taken, "PodWaitsForCard", "1 closed (CardUnhealthy); 1 held by model default/german", "Free a"),
        (model_without_pool, "ModelNotReady", "No pool elsewhere.", "describe asrmodel english"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(
    installed: Api, run_check: Check, fault: Callable[[Api], None], code: str, says: str, remedy: str
) -> None:
    fault(installed)
    said = run_check("--json")
    found = said.findings()
    assert code in found, said.out
    assert says in found[code]["says"] and remedy in found[code]["remedy"], found[code]
    assert said.status == (1 if any(each["severity"] == "error" for each in found.values()) else 0)
    unasked = set(found) - {code, "GatewayApiMissing", *ALSO.get(fault, ())}
    assert not unasked, "a cause is told once, not with all that follows from it"


#: What else is so in some of these situations.
ALSO: dict[Callable[[Api], None], tuple[str, ...]] = {
    wrong_checksum: (),
    flash_failed_for_good: ("CardBroken",),
    model_without_pool: (),
}


def test_who_has_the_support_role_sees_everything(installed: Api, run_check: Check, tmp_path: Path) -> None:
    file = user_kubeconfig(installed, "support", yaml.safe_load(SUPPORT.read_text()), tmp_path)
    said = run_check("--kubeconfig", str(file))
    assert said.status == 0 and "Not seen" not in said.out, said.out


def test_who_may_read_nothing_is_told_which_rights_are_missing(
    installed: Api, run_check: Check, tmp_path: Path
) -> None:
    file = user_kubeconfig(installed, "nobody", [], tmp_path)
    said = run_check("--kubeconfig", str(file))
    assert said.status == 2
    assert "needs the right: list asrcardpools.asr.gharial.dev" in said.out
    assert "gharial-support" in said.out and "Gharial's own objects were not" in said.out


def test_a_tenant_sees_the_models_of_the_own_namespace(installed: Api, run_check: Check, tmp_path: Path) -> None:
    model_without_pool(installed)
    file = user_kubeconfig(installed, "tenant", [], tmp_path)
    rbac = "rbac.authorization.k8s.io"
    rule = {"apiGroups": ["asr.gharial.dev"], "resources": ["asrmodels"], "verbs": ["list"]}
    head = {"apiVersion": f"{rbac}/v1", "metadata": {"name": "tenant"}}
    root = f"/apis/{rbac}/v1/namespaces/default"
    installed.apply(f"{root}/roles/tenant", {**head, "kind": "Role", "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": "tenant", "namespace": "gharial-system"}
    reference = {"apiGroup": rbac, "kind": "Role", "name": "tenant"}
    body = {**head, "kind": "RoleBinding", "roleRef": reference, "subjects": [subject]}
    installed.apply(f"{root}/rolebindings/tenant", body)
    said = run_check("--kubeconfig", str(file))
    assert said.status == 1
    assert "model default/english" in said.out
