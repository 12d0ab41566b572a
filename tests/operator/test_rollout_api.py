"""Rollouts on a real API server: cordons, evictions under a budget, and an operator that is killed after any write."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_server import Api
from gharial_cluster.control_plane import run_kubectl
from machines import CARD_NODES, NODES, add_node
from manifests import pool
from rollout_hands import (
    BUDGETS,
    PODS,
    add_pod,
    agents,
    cordon,
    kubelets,
    put_budget,
    reconcile,
    state,
)

POOLS = "/apis/asr.gharial.dev/v1alpha1/asrcardpools"
LABELS = {"asr.gharial.dev/cards": "simulated"}


@pytest.fixture(autouse=True)
def cluster(api: Api, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two nodes whose cards run 1.1.0, and a pool that asks for 1.2.0; everything is gone afterwards."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    for name in ("node-a", "node-b"):
        add_node(api, name, LABELS)
    api.request("POST", POOLS, pool())
    reconcile()
    agents(api)
    yield
    api.delete(f"{POOLS}/cards")
    reconcile()
    assert api.items(POOLS) == []
    for item in api.items(PODS):
        api.request("DELETE", f"{PODS}/{item['metadata']['name']}?gracePeriodSeconds=0")
    for item in api.items(NODES):
        api.delete(f"{NODES}/{item['metadata']['name']}")
    api.delete(f"{BUDGETS}/english")


def all_done(api: Api) -> bool:
    return all(state(api, name) == "Done" for name in ("node-a", "node-b"))


def roll(api: Api, writes: int = -1) -> tuple[int, list[str]]:
    """A whole rollout; returns how often the operator was killed, and the states of node-a on the way."""
    deaths, seen = 0, []
    for _ in range(200):
        deaths += reconcile(writes=writes)
        seen += [now] if (now := state(api, "node-a")) not in seen[-1:] else []
        assert sum(cordon(api, name)[0] for name in ("node-a", "node-b")) <= 1
        agents(api)
        kubelets(api)
        if all_done(api):
            return deaths, seen
    raise AssertionError(f"node-a went {seen}")


def test_a_node_goes_through_every_state_and_comes_back(api: Api) -> None:
    put_budget(api, 1)
    add_pod(api, "english-a", "node-a")
    _, seen = roll(api)
    flash = ["Flashing", "PowerCycling", "Enumerating", "Validating"]
    assert seen == ["WaitingForStreams", "Drained", *flash, "Done"]
    assert api.items(PODS) == []
    uid = api.get(f"{CARD_NODES}/node-a")["metadata"]["uid"]
    events = [e for e in api.items("/api/v1/namespaces/default/events") if e["involvedObject"]["uid"] == uid]
    told = [event["message"].split(":")[0] for event in events]
    assert sorted(told) == sorted(["Cordoned", *seen[:-1], "Uncordoned", "Done"])
    for name in ("node-a", "node-b"):
        assert cordon(api, name) == (False, "")
        assert api.get(f"{NODES}/{name}")["metadata"]["labels"]["asr.gharial.dev/rollout"] == "Done"


@pytest.mark.parametrize("writes", [1, 2, 3])
def test_an_operator_killed_after_any_write_rolls_out_to_the_same_end(api: Api, writes: int) -> None:
    put_budget(api, 1)
    add_pod(api, "english-a", "node-a")
    deaths, seen = roll(api, writes)
    assert deaths >= 20 // writes
    assert [name for name in seen if name != "Uncordoned"][-1] == "Done"
    reconcile()
    for name in ("node-a", "node-b"):
        assert cordon(api, name) == (False, "")
        assert api.get(f"{CARD_NODES}/{name}")["status"]["cards"][0]["bitstream"] == "1.2.0"
        assert api.get(f"{NODES}/{name}")["metadata"]["labels"]["asr.gharial.dev/rollout"] == "Done"


def test_a_pod_stays_while_its_budget_forbids_its_eviction_and_the_node_says_so(api: Api) -> None:
    put_budget(api, 0)
    add_pod(api, "english-a", "node-a")
    add_pod(api, "english-b", "node-b")
    reconcile()
    why = api.get(f"{CARD_NODES}/node-a")["spec"]["flashReason"]
    assert why.startswith("PDBBlocked: default/english-a on node-a may not go now: PodDisruptionBudget default/english")
    assert not any(pod["metadata"].get("deletionTimestamp") for pod in api.items(PODS))
    put_budget(api, 1)
    reconcile()
    assert kubelets(api) == 1


def test_a_node_that_the_admin_takes_back_and_cordons_is_the_admins(api: Api) -> None:
    add_pod(api, "english-a", "node-a")
    put_budget(api, 0)
    add_pod(api, "english-b", "node-b")
    reconcile()
    assert cordon(api, "node-a") == (True, "cards")
    run_kubectl(api.kubeconfig, "uncordon", "node-a")
    reconcile()
    assert api.get(f"{CARD_NODES}/node-a")["spec"]["flashReason"].startswith("NodeUncordonedByAdmin")
    assert cordon(api, "node-a") == (False, "cards")
    run_kubectl(api.kubeconfig, "cordon", "node-a")
    reconcile()
    assert api.get(f"{CARD_NODES}/node-a")["spec"]["flashReason"].startswith("NodeCordonedByAdmin")
    assert cordon(api, "node-a") == (True, "")
    api.delete(f"{POOLS}/cards")
    reconcile()
    assert cordon(api, "node-a") == (True, "")


def test_a_pool_deleted_half_way_gives_its_nodes_back_before_it_goes(api: Api) -> None:
    reconcile()
    assert cordon(api, "node-a") == (True, "cards")
    api.delete(f"{POOLS}/cards")
    while reconcile(writes=1):
        pass
    assert api.items(POOLS) == [] and api.items(CARD_NODES) == []
    for name in ("node-a", "node-b"):
        assert cordon(api, name) == (False, "")
        assert set(api.get(f"{NODES}/{name}")["metadata"]["labels"]) == set(LABELS)


def test_a_pool_that_was_removed_by_force_leaves_no_cordon_behind(api: Api) -> None:
    reconcile()
    assert cordon(api, "node-a") == (True, "cards")
    api.merge(f"{POOLS}/cards", {"metadata": {"finalizers": None}})
    api.delete(f"{POOLS}/cards")
    reconcile()
    assert cordon(api, "node-a") == (False, "")
    for item in api.items(CARD_NODES):
        api.delete(f"{CARD_NODES}/{item['metadata']['name']}")


def test_a_paused_rollout_gives_the_waiting_node_back_and_goes_on_when_resumed(api: Api) -> None:
    add_pod(api, "english-a", "node-a")
    put_budget(api, 0)
    add_pod(api, "english-b", "node-b")
    reconcile()
    assert state(api, "node-a") == "WaitingForStreams"
    api.merge(f"{POOLS}/cards", {"spec": {"upgradePolicy": {"paused": True}}})
    for _ in range(2):
        reconcile()
        agents(api)
    assert (state(api, "node-a"), cordon(api, "node-a")) == ("Pending", (False, ""))
    assert "PausedByAdmin" in api.get(f"{CARD_NODES}/node-a")["spec"]["flashReason"]
    api.merge(f"{POOLS}/cards", {"spec": {"upgradePolicy": {"paused": False}}})
    put_budget(api, 1)
    roll(api)


def test_a_forced_drain_ends_pods_that_their_budget_holds(api: Api) -> None:
    drain = {"timeoutSeconds": 0, "onTimeout": "Force"}
    api.merge(f"{POOLS}/cards", {"spec": {"upgradePolicy": {"drain": drain}}})
    add_pod(api, "english-a", "node-a")
    put_budget(api, 0)
    add_pod(api, "english-b", "node-b")
    reconcile(writes=8)
    reconcile()
    [ended] = [pod for pod in api.items(PODS) if pod["metadata"].get("deletionTimestamp")]
    assert (ended["metadata"]["name"], ended["metadata"]["deletionGracePeriodSeconds"]) == ("english-a", 30)


def test_a_bitstream_that_fails_is_taken_back_and_tried_again_after_a_reset(api: Api) -> None:
    roll(api)
    policy = {"retries": 0, "rollbackOnFailure": True}
    wanted = {"version": "1.3.0", "url": "https://example.com/3.bit", "sha256": "3" * 64}
    api.merge(f"{POOLS}/cards", {"spec": {"bitstream": wanted, "upgradePolicy": policy}})
    for _ in range(20):
        reconcile()
        agents(api, bad_version="1.3.0")
    assert (state(api, "node-a"), cordon(api, "node-a")) == ("RolledBack", (False, ""))
    found = api.get(f"{CARD_NODES}/node-a")
    assert found["spec"]["bitstream"]["version"] == found["status"]["cards"][0]["bitstream"] == "1.2.0"
    assert found["spec"]["flashReason"].startswith("RolledBack: 1.3.0 failed on node-a, which serves with 1.2.0 again.")
    # One of two nodes is more than 40 %: the other one is spared.
    held = api.get(f"{CARD_NODES}/node-b")
    assert held["spec"]["flashReason"].startswith("CircuitBreakerOpen")
    assert held["status"]["cards"][0]["bitstream"] == "1.2.0"
    api.merge(f"{POOLS}/cards", {"spec": {"upgradePolicy": {"reset": "mended"}}})
    reconcile()
    assert state(api, "node-a") != "RolledBack"
    roll(api)
    assert api.get(f"{CARD_NODES}/node-a")["status"]["cards"][0]["bitstream"] == "1.3.0"
