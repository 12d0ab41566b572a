"""The operator and pools, on a real API server."""

from collections.abc import Iterator
from typing import Any

import pytest
from api_server import Api, eventually
from machines import CARD_NODES, NODES, add_node, card, report
from manifests import pool
from operator_process import Operator

POOLS = "/apis/asr.gharial.dev/v1alpha1/asrcardpools"
MODELS = "/apis/asr.gharial.dev/v1alpha1/namespaces/default/asrmodels"

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture(autouse=True)
def empty(api: Api) -> Iterator[None]:
    yield
    for item in api.items(POOLS):
        api.delete(f"{POOLS}/{item['metadata']['name']}")
    eventually(lambda: not api.items(POOLS) and not api.items(CARD_NODES))
    for item in api.items(NODES):
        api.delete(f"{NODES}/{item['metadata']['name']}")


def condition(api: Api, name: str, kind: str) -> dict[str, Any]:
    status = api.get(f"{POOLS}/{name}").get("status", {})
    return next((c for c in status.get("conditions", []) if c["type"] == kind), {})


def becomes(api: Api, name: str, kind: str, reason: str) -> dict[str, Any]:
    def reached() -> dict[str, Any] | None:
        found = condition(api, name, kind)
        return found if found.get("reason") == reason else None

    return eventually(reached)


def test_a_pool_whose_selector_matches_nothing_says_so(api: Api) -> None:
    api.request("POST", POOLS, pool())
    found = becomes(api, "cards", "Ready", "NoNodesMatch")
    assert found["status"] == "False"
    assert "asr.gharial.dev/cards=simulated" in found["message"]
    assert "kubectl label node" in found["message"]
    assert found["observedGeneration"] == 1


def test_a_pool_becomes_ready_with_its_cards_and_tells_each_transition_once(api: Api) -> None:
    add_node(api, "node-a", {"asr.gharial.dev/cards": "simulated"})
    add_node(api, "node-b", {})
    uid = api.request("POST", POOLS, pool())["metadata"]["uid"]
    becomes(api, "cards", "Ready", "AgentNotReporting")
    assert [item["metadata"]["name"] for item in api.items(CARD_NODES)] == ["node-a"]
    spec = api.get(f"{CARD_NODES}/node-a")["spec"]
    assert (spec["driver"], spec["bitstream"]["version"], spec["flash"]) == ("simulated", "1.2.0", "Hold")

    report(api, "node-a", card(bitstream="1.1.0", phase="Pending"))
    eventually(lambda: api.get(f"{CARD_NODES}/node-a")["spec"]["flash"] == "Allowed")
    assert becomes(api, "cards", "Progressing", "FlashAllowed")["status"] == "True"

    report(api, "node-a", card())
    assert becomes(api, "cards", "Ready", "CardsReady")["status"] == "True"
    eventually(lambda: api.get(f"{CARD_NODES}/node-a")["spec"]["flash"] == "Hold")
    status = api.get(f"{POOLS}/cards")["status"]
    assert status["cards"] == {"total": 1, "ready": 1, "flashing": 0, "quarantined": 0, "summary": "1/1"}
    assert status["streams"] == {"capacity": 16, "used": 0}
    assert status["bitstream"] == {"current": "1.2.0", "target": "1.2.0"}

    events = [e for e in api.items("/api/v1/namespaces/default/events") if e["involvedObject"]["uid"] == uid]
    told = [e["reason"] for e in events if e["message"].startswith("Ready is")]
    assert sorted(told) == sorted(set(told))
    assert {"AgentNotReporting", "CardsReady"} <= set(told)


def test_a_node_that_leaves_the_selector_loses_its_card_node(api: Api) -> None:
    add_node(api, "node-a", {"asr.gharial.dev/cards": "simulated"})
    api.request("POST", POOLS, pool())
    eventually(lambda: api.get(f"{CARD_NODES}/node-a"))
    api.merge(f"{NODES}/node-a", {"metadata": {"labels": {"asr.gharial.dev/cards": None}}})
    eventually(lambda: api.get(f"{CARD_NODES}/node-a") is None)
    becomes(api, "cards", "Ready", "NoNodesMatch")


def test_the_younger_of_two_pools_is_refused_the_node_and_gets_it_when_the_older_goes(api: Api) -> None:
    add_node(api, "node-a", {"asr.gharial.dev/cards": "simulated"})
    api.request("POST", POOLS, pool("a-older"))
    eventually(lambda: api.get(f"{CARD_NODES}/node-a"))
    api.request("POST", POOLS, pool("b-younger"))
    found = becomes(api, "b-younger", "Ready", "NodeClaimedByOtherPool")
    assert found["message"].startswith("node-a already belongs to pool a-older")
    assert api.get(f"{CARD_NODES}/node-a")["spec"]["poolRef"]["name"] == "a-older"
    api.delete(f"{POOLS}/a-older")
    eventually(
        lambda: (
            (api.get(f"{CARD_NODES}/node-a") or {"spec": {"poolRef": {}}})["spec"]["poolRef"].get("name") == "b-younger"
        )
    )


def test_nodes_are_flashed_one_at_a_time_and_never_under_streams(api: Api) -> None:
    for name in ("node-a", "node-b"):
        add_node(api, name, {"asr.gharial.dev/cards": "simulated"})
    api.request("POST", POOLS, pool())
    for name in ("node-a", "node-b"):
        eventually(lambda name=name: api.get(f"{CARD_NODES}/{name}"))
    report(api, "node-b", card(bitstream="1.1.0"))
    # Nobody knows yet what the other node's cards do: it counts as down.
    eventually(lambda: "and node-a already is" in api.get(f"{CARD_NODES}/node-b")["spec"]["flashReason"])
    report(api, "node-a", card(bitstream="1.1.0", streams={"capacity": 16, "used": 3}))
    eventually(lambda: api.get(f"{CARD_NODES}/node-b")["spec"]["flash"] == "Allowed")
    assert api.get(f"{NODES}/node-b")["spec"]["unschedulable"]
    eventually(lambda: "WaitingForBudget" in api.get(f"{CARD_NODES}/node-a")["spec"]["flashReason"])
    report(api, "node-b", card())
    eventually(lambda: api.get(f"{CARD_NODES}/node-b")["spec"]["rollout"]["state"] == "Done")
    assert "unschedulable" not in api.get(f"{NODES}/node-b")["spec"]
    eventually(lambda: api.get(f"{CARD_NODES}/node-a")["spec"]["rollout"]["state"] == "WaitingForStreams")
    assert api.get(f"{CARD_NODES}/node-a")["spec"]["flash"] == "Hold"
    report(api, "node-a", card(bitstream="1.1.0"))
    eventually(lambda: api.get(f"{CARD_NODES}/node-a")["spec"]["flash"] == "Allowed")
    assert api.get(f"{CARD_NODES}/node-b")["spec"]["flash"] == "Hold"


def test_a_missing_licence_names_the_card(api: Api) -> None:
    add_node(api, "node-a", {"asr.gharial.dev/cards": "simulated"})
    api.request("POST", POOLS, pool())
    eventually(lambda: api.get(f"{CARD_NODES}/node-a"))
    report(api, "node-a", card(licence={"state": "Missing"}, phase="Pending"))
    found = becomes(api, "cards", "LicencesValid", "LicenceMissing")
    assert "node-a 0000:3b:00.0 (id 0123456789abcdef)" in found["message"]
    assert becomes(api, "cards", "Ready", "LicenceMissing")["status"] == "False"


def test_a_card_node_deleted_by_hand_comes_back(api: Api) -> None:
    add_node(api, "node-a", {"asr.gharial.dev/cards": "simulated"})
    api.request("POST", POOLS, pool())
    first = eventually(lambda: api.get(f"{CARD_NODES}/node-a"))["metadata"]["uid"]
    api.delete(f"{CARD_NODES}/node-a")
    eventually(lambda: (api.get(f"{CARD_NODES}/node-a") or {"metadata": {"uid": first}})["metadata"]["uid"] != first)


def test_a_quiet_operator_writes_nothing(api: Api, operator: Operator) -> None:
    add_node(api, "node-a", {"asr.gharial.dev/cards": "simulated"})
    api.request("POST", POOLS, pool())
    eventually(lambda: api.get(f"{CARD_NODES}/node-a"))
    report(api, "node-a", card())
    becomes(api, "cards", "Ready", "CardsReady")
    eventually(lambda: operator.metric("gharial_operator_queue_length") == 0)
    before = operator.metric("gharial_operator_writes_total")
    rounds = operator.metric("gharial_operator_reconciles_total")
    # A change of a node's spec that no pool cares for still wakes the pool once; it finds nothing to write.
    api.merge(f"{NODES}/node-a", {"metadata": {"labels": {"colour": "green"}}})
    eventually(lambda: operator.metric("gharial_operator_reconciles_total") > rounds)
    assert operator.metric("gharial_operator_writes_total") == before


def test_a_pool_of_cores_counts_the_pods_that_fit(api: Api) -> None:
    add_node(api, "node-a", {"role": "speech"}, cpu="7500m")
    api.request(
        "POST",
        POOLS,
        pool(
            "cores",
            driver="cpu",
            bitstream=None,
            licences=None,
            nodeSelector={"role": "speech"},
            podResources={"cpu": "2"},
        ),
    )
    found = becomes(api, "cores", "Ready", "CardsReady")
    assert found["message"] == "3 pods of 2 cores and 4Gi fit on 1 node."
    assert not api.items(CARD_NODES)
