"""The card's way on one node: real API server, real agent, real cards, real flash tool."""

import pytest
from card_node import CardNode
from gharial_kube.client import Kube, KubeError
from simulated_cards import eventually

pytestmark = pytest.mark.timeout(120)


def test_cards_are_flashed_licensed_and_published(node: CardNode) -> None:
    node.set_up()
    node.wait_until_ready()
    first = node.card()
    assert first["pciAddress"] == "0000:25:00.0"
    assert first["uniqueId"] == node.ids()[0]
    assert first["licence"] == {"state": "Valid", "maxVersion": "1.99.0", "maxReleaseDate": "2099-01-01"}
    assert (first["lastFlash"]["result"], first["lastFlash"]["attempt"]) == ("Succeeded", 1)
    assert first["streams"]["capacity"] == 16
    device = node.devices()[f"card-{node.ids()[0]}"]
    assert device["attributes"]["bitstreamVersion"] == {"version": "1.14.0"}
    assert device["attributes"]["pool"] == {"string": "pool"}
    assert device["capacity"]["streams"] == {"value": "16"}
    assert node.status()["summary"] == "2/2"
    assert node.condition("LicencesValid")["status"] == "True"
    events = node.kube.get("/api/v1/namespaces/default/events", fieldSelector=f"involvedObject.name={node.name}")[
        "items"
    ]
    assert {"Flashing", "Ready"} <= {event["reason"] for event in events}


def test_a_wrong_checksum_says_so_and_nothing_is_written(node: CardNode) -> None:
    node.set_up(bitstream=node.bitstream(sha256="0" * 64))
    eventually(lambda: node.ready_reason() == "ChecksumMismatch", 30)
    assert "nothing is written" in node.condition("Ready")["message"]
    assert node.free_devices() == []
    assert [card["bitstream"] for card in node.status()["cards"]] == ["1.0.0", "1.0.0"]
    node.put_spec(bitstream=node.bitstream())
    node.wait_until_ready()


def test_a_missing_licence_says_so_and_adding_it_cures(node: CardNode) -> None:
    node.set_up(licensed=False)
    eventually(lambda: node.ready_reason() == "LicenceMissing", 30)
    assert node.ids()[0] in node.condition("LicencesValid")["message"]
    assert node.free_devices() == []
    node.put_licences([node.licence(card) for card in node.ids()])
    node.wait_until_ready()


def test_hold_touches_no_card(node: CardNode) -> None:
    node.set_up(flash="Hold", flashReason="WaitingForBudget: node-b is down already.")
    eventually(lambda: "node-b is down already" in node.condition("Ready").get("message", ""), 30)
    assert [card["bitstreamVersion"] for card in node.cards.state()] == ["1.0.0", "1.0.0"]
    assert node.free_devices() == []
    node.put_spec(bitstream=node.bitstream(), flash="Allowed")
    node.wait_until_ready()


def test_an_agent_can_write_nothing_of_another_node(node: CardNode) -> None:
    body = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": "foreign"},
        "spec": {
            "driver": "cards.asr.gharial.dev",
            "nodeName": "another-node",
            "pool": {"name": "another-node", "generation": 1, "resourceSliceCount": 1},
            "devices": [],
        },
    }
    with pytest.raises(KubeError, match="may not write objects of node another-node"):
        Kube(node.kubeconfig).create("/apis/resource.k8s.io/v1/resourceslices", body)
