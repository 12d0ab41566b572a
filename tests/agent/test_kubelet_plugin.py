"""The DRA plugin over its real sockets: what the kubelet sees, in the orders in which it asks."""

import time
from collections.abc import Iterator

import pytest
from card_node import CardNode, cdi_document, make_claim
from gharial_agent.dra.kubelet import dra_health_v1alpha1_pb2 as health
from gharial_agent.dra.kubelet import dra_v1_pb2 as dra
from gharial_cluster.control_plane import ControlPlane
from gharial_wire.card_control import Fault
from node_factory import make_node
from simulated_cards import eventually

pytestmark = pytest.mark.timeout(120)


def claim_of(found: dict[str, dict[str, str]]) -> dra.Claim:
    meta = found["metadata"]
    return dra.Claim(namespace=meta["namespace"], name=meta["name"], uid=meta["uid"])


@pytest.fixture(scope="module")
def ready(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CardNode]:
    """A node whose cards keep their factory bitstream and are licensed: ready at once. The tests leave it so."""
    node = make_node(control_plane, "node-plugin", tmp_path_factory.mktemp("node"))
    node.set_up(bitstream=None)
    node.wait_until_ready("1.0.0")
    yield node
    node.clean_up()


def test_the_plugin_registers_as_the_kubelet_expects(ready: CardNode) -> None:
    info = ready.kubelet.register()
    assert (info.type, info.name) == ("DRAPlugin", "cards.asr.gharial.dev")
    assert list(info.supported_versions) == ["v1.DRAPlugin", "v1alpha1.DRAResourceHealth"]
    assert info.endpoint.endswith("/plugins/cards.asr.gharial.dev/dra.sock")


def test_a_prepared_claim_gets_its_card_by_cdi_and_gives_it_back(ready: CardNode) -> None:
    card = ready.ids()[0]
    claim = claim_of(make_claim(ready.kube, f"{ready.name}-a", ready.name, f"card-{card}"))
    answer = ready.kubelet.prepare(claim)[claim.uid]
    assert answer.error == ""
    device = answer.devices[0]
    assert (device.pool_name, device.device_name, list(device.request_names)) == (
        ready.name, f"card-{card}", ["card"],
    )  # fmt: skip
    document = cdi_document(ready.root / "cdi", claim.uid)
    assert document is not None and document["cdiVersion"] == "0.5.0"
    assert list(device.cdi_device_ids) == [f"{document['kind']}={document['devices'][0]['name']}"]
    edits = document["devices"][0]["containerEdits"]
    folder = str(ready.cards.root / "cards" / card)
    assert edits["env"] == [f"GHARIAL_CARD_ID={card}", f"GHARIAL_CARD_SOCKET={folder}/card.sock"]
    assert (edits["mounts"][0]["hostPath"], edits["mounts"][0]["containerPath"]) == (folder, folder)
    assert ready.kubelet.prepare(claim)[claim.uid] == answer  # after a restart of the kubelet it asks again
    assert ready.kubelet.unprepare(claim)[claim.uid].error == ""
    assert cdi_document(ready.root / "cdi", claim.uid) is None
    assert ready.kubelet.unprepare(claim)[claim.uid].error == ""


def test_a_failed_claim_is_told_why_and_does_not_harm_the_others(ready: CardNode) -> None:
    good = claim_of(make_claim(ready.kube, f"{ready.name}-good", ready.name, f"card-{ready.ids()[0]}"))
    gone = dra.Claim(namespace="default", name="nowhere", uid="1")
    other_uid = dra.Claim(namespace="default", name=good.name, uid="2")
    answers = ready.kubelet.prepare(good, gone, other_uid)
    assert answers[good.uid].error == ""
    assert "not found" in answers["1"].error
    assert "made anew" in answers["2"].error
    ready.kubelet.unprepare(good, gone)


def test_a_card_goes_to_one_claim_only(ready: CardNode) -> None:
    device = f"card-{ready.ids()[0]}"
    first = claim_of(make_claim(ready.kube, f"{ready.name}-1", ready.name, device))
    second = claim_of(make_claim(ready.kube, f"{ready.name}-2", ready.name, device))
    assert ready.kubelet.prepare(first)[first.uid].error == ""
    assert f"still held by claim {first.uid}" in ready.kubelet.prepare(second)[second.uid].error
    ready.kubelet.unprepare(first)
    assert ready.kubelet.prepare(second)[second.uid].error == ""
    ready.kubelet.unprepare(second)


def test_prepared_claims_outlive_the_agent(ready: CardNode) -> None:
    claim = claim_of(make_claim(ready.kube, f"{ready.name}-a", ready.name, f"card-{ready.ids()[0]}"))
    before = ready.kubelet.prepare(claim)[claim.uid]
    ready.kill_agent()
    assert ready.kubelet.registration_socket.exists()  # what a killed process leaves
    ready.start_agent()
    eventually(lambda: plugin_answers(ready), 30)
    assert cdi_document(ready.root / "cdi", claim.uid) is not None
    assert ready.kubelet.prepare(claim)[claim.uid] == before
    ready.kubelet.unprepare(claim)


def test_the_kubelet_hears_which_card_is_sick_and_why(ready: CardNode) -> None:
    sick, well = (f"card-{card}" for card in ready.ids())
    with ready.kubelet.watch_health() as lists:
        first = {d.device.device_name: d for d in next(lists).devices}
        assert {d.health for d in first.values()} == {health.HEALTHY}
        assert {d.device.pool_name for d in first.values()} == {ready.name}
        ready.cards.inject(Fault.HANG)
        second = {d.device.device_name: d for d in next(lists).devices}
    assert (second[sick].health, second[well].health) == (health.UNHEALTHY, health.HEALTHY)
    assert "hung" in second[sick].message
    assert abs(second[sick].last_updated_time - time.time()) < 10
    ready.cards.call("power-cycle", cardId=ready.ids()[0])
    eventually(lambda: len(ready.free_devices()) == 2)


def test_a_list_that_stays_the_same_is_sent_again_before_the_kubelet_doubts_it(ready: CardNode) -> None:
    with ready.kubelet.watch_health(25) as lists:
        times = [next(lists).devices[0].last_updated_time for _ in range(2)]
    assert 5 < times[1] - times[0] < 15


def test_streams_of_health_end_with_their_kubelet(ready: CardNode) -> None:
    for _ in range(12):  # more than the plugin has threads
        with ready.kubelet.watch_health() as lists:
            next(lists)
    assert ready.kubelet.unprepare(dra.Claim(namespace="default", name="nowhere", uid="1"))["1"].error == ""


def test_a_stopped_agent_leaves_no_socket(ready: CardNode) -> None:
    assert ready.stop_agent() == 0
    assert list(ready.kubelet.root.glob("plugins*/**/*.sock")) == []
    ready.start_agent()
    eventually(lambda: plugin_answers(ready), 30)


def test_deleted_slices_come_back(ready: CardNode) -> None:
    path = "/apis/resource.k8s.io/v1/resourceslices"
    ready.kube.delete(f"{path}/{ready.name}-cards.asr.gharial.dev")  # as the kubelet does when it starts
    eventually(lambda: len(ready.free_devices()) == 2)


def test_a_card_in_use_is_not_flashed_until_its_claim_is_gone(ready: CardNode) -> None:
    card = ready.ids()[0]
    claim = claim_of(make_claim(ready.kube, f"{ready.name}-a", ready.name, f"card-{card}"))
    ready.kubelet.prepare(claim)
    ready.put_spec(bitstream=ready.bitstream())
    eventually(lambda: [c["phase"] for c in ready.status()["cards"]] == ["WaitingForStreams", "Ready"], 30)
    assert [c["bitstream"] for c in ready.status()["cards"]] == ["1.0.0", "1.14.0"]
    # The pod serves no stream: it is sent away, and another one cannot come.
    effects = [taint["effect"] for taint in ready.devices()[f"card-{card}"]["taints"]]
    assert effects == ["NoSchedule", "NoExecute"]
    ready.kubelet.unprepare(claim)
    ready.wait_until_ready()


def plugin_answers(node: CardNode) -> bool:
    try:
        return bool(node.kubelet.register().name)
    except Exception:
        return False
