"""The operator killed after any write, and two operators at a time: on a real API server, with real processes."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from api_server import Api, eventually
from gharial_operator.apply import DIE_AFTER_WRITES
from gharial_operator.context import Context
from gharial_operator.reconcile.model import reconcile_model
from gharial_operator.reconcile.pool import reconcile_pool
from gharial_operator.work_queue import Key
from machines import CARD_NODES, NODES, add_node
from manifests import model, pool
from operator_life import live_until_write
from operator_process import NAMESPACE, Operator

POOLS = "/apis/asr.gharial.dev/v1alpha1/asrcardpools"
MODELS = "/apis/asr.gharial.dev/v1alpha1/namespaces/default/asrmodels"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/gharial-operator"
OURS = (
    MODELS,
    POOLS,
    CARD_NODES,
    "/apis/apps/v1/namespaces/default/deployments",
    "/apis/resource.k8s.io/v1/namespaces/default/resourceclaimtemplates",
    "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes",
    "/apis/gateway.envoyproxy.io/v1alpha1/namespaces/default/backendtrafficpolicies",
    "/api/v1/namespaces/default/services",
    "/api/v1/namespaces/default/serviceaccounts",
    "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
    "/api/v1/namespaces/default/events",
)
ROUTED = {"gatewayRef": {"name": "speech"}}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def put_up(api: Api) -> None:
    """A node, a pool and a model."""
    add_node(api, "node-a", {"asr.gharial.dev/cards": "simulated"})
    api.request("POST", POOLS, pool())
    api.request("POST", MODELS, model(routing=ROUTED))


def take_down(api: Api) -> None:
    """Asks for both to go."""
    api.delete(f"{POOLS}/cards")
    api.delete(f"{MODELS}/english")


def state(api: Api) -> dict[str, Any]:
    """Everything of ours, without what differs between two equal histories: ids, times and versions."""
    found = {}
    for path in OURS:
        for item in api.items(path):
            if path.endswith("services") and item["metadata"]["name"] == "kubernetes":
                continue
            if path.endswith("events") and item.get("source", {}).get("component") != "gharial-operator":
                continue
            if path.endswith("accounts") and item["metadata"]["name"] == "default":
                continue
            name = item["metadata"]["name"] if not path.endswith("events") else item["message"]
            found[f"{path}/{name}"] = {
                "spec": plain(item.get("spec")),
                "status": plain(item.get("status")),
                "labels": item["metadata"].get("labels"),
                "finalizers": item["metadata"].get("finalizers"),
            }
    return found


def without_events(found: dict[str, Any]) -> dict[str, Any]:
    return {path: item for path, item in found.items() if "/events/" not in path}


def plain(part: Any) -> Any:
    """Without what an API server makes up: addresses and times."""
    if isinstance(part, dict):
        made_up = {"lastTransitionTime", "since", "clusterIP", "clusterIPs"}
        return {key: plain(value) for key, value in part.items() if key not in made_up}
    return [plain(value) for value in part] if isinstance(part, list) else part


def wipe_events(api: Api) -> None:
    api.request("DELETE", "/api/v1/namespaces/default/events")


async def look(context: Context) -> None:
    await reconcile_pool(context, Key("AsrCardPool", "cards"))
    await reconcile_model(context, Key("AsrModel", "english", "default"))


def killed_again_and_again(every: int) -> int:
    """Lives that each end after their `every`-th write, until one finds nothing left to do; returns the deaths."""
    deaths = 0
    while live_until_write(every, look):
        deaths += 1
        assert deaths < 100
    return deaths


@pytest.fixture
def wanted(api: Api, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The state that an operator nobody kills ends in; the cluster is empty again afterwards."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    wipe_events(api)
    put_up(api)
    live_until_write(-1, look)
    found = state(api)
    take_down(api)
    live_until_write(-1, look)
    wipe_events(api)
    assert state(api) == {}
    return found


@pytest.mark.parametrize("every", [1, 2, 3, 5])
def test_an_operator_killed_between_any_two_writes_ends_in_the_same_state(
    api: Api, wanted: dict[str, Any], every: int
) -> None:
    put_up(api)
    deaths = killed_again_and_again(every)
    assert deaths >= 12 // every
    assert state(api) == wanted
    take_down(api)
    assert killed_again_and_again(every) >= 12 // every
    wipe_events(api)
    assert state(api) == {}
    api.delete(f"{NODES}/node-a")


def test_processes_that_die_in_the_middle_of_their_work_end_in_the_same_state(
    api: Api, kubeconfig: Path, wanted: dict[str, Any], log: Path
) -> None:
    put_up(api)
    doomed = Operator(kubeconfig, log, "doomed", environment={DIE_AFTER_WRITES: "7"}).start()
    assert doomed.wait() == 137
    survivor = Operator(kubeconfig, log, "survivor").start().ready()
    # With watches, a model may be looked at before its pool; then its first event says less. The objects are the same.
    eventually(lambda: without_events(state(api)) == without_events(wanted))
    take_down(api)
    eventually(lambda: not api.items(POOLS) and not api.items(MODELS))
    survivor.stop()
    wipe_events(api)
    assert state(api) == {}
    api.delete(f"{NODES}/node-a")


def test_a_standby_takes_over_within_seconds_and_writes_nothing_before(
    api: Api, kubeconfig: Path, tmp_path: Path
) -> None:
    first = Operator(kubeconfig, tmp_path / "a", "first").start().ready()
    eventually(lambda: api.get(LEASE)["spec"]["holderIdentity"] == "first")
    second = Operator(kubeconfig, tmp_path / "b", "second").start().ready()
    try:
        put_up(api)
        eventually(lambda: api.get(f"{CARD_NODES}/node-a"))
        assert second.metric("gharial_operator_writes_total") == 0
        first.stop(signal.SIGKILL)
        take_down(api)
        eventually(lambda: not api.items(POOLS) and not api.items(MODELS), 15)
        assert api.get(LEASE)["spec"]["holderIdentity"] == "second"
    finally:
        first.stop(signal.SIGKILL)
        second.stop()
    assert api.get(LEASE)["spec"]["holderIdentity"] == ""
    api.delete(f"{NODES}/node-a")


def test_a_leader_that_hangs_stops_itself_and_leaves_the_work_to_the_standby(
    api: Api, kubeconfig: Path, tmp_path: Path
) -> None:
    first = Operator(kubeconfig, tmp_path / "a", "first").start().ready()
    eventually(lambda: api.get(LEASE)["spec"]["holderIdentity"] == "first")
    second = Operator(kubeconfig, tmp_path / "b", "second").start().ready()
    try:
        assert first.process is not None
        os.kill(first.process.pid, signal.SIGSTOP)
        eventually(lambda: api.get(LEASE)["spec"]["holderIdentity"] == "second", 15)
        os.kill(first.process.pid, signal.SIGCONT)
        assert first.wait() == 1
    finally:
        first.stop(signal.SIGKILL)
        second.stop()
