"""A pool of Achronix cards from its spec to Done: the real operator, the real agent, the stand-in of the vendor's tool.

What is not real: the kubelet. The test says for it that the Node is Ready, with which boot; it is the person who
power-cycles the machine.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from achronix_node import AchronixNode
from api_server import ROOT, Api, install_crds
from gharial_cluster.control_plane import ControlPlane
from operator_process import Operator, operator_kubeconfig
from simulated_cards import eventually

POOLS = "/apis/asr.gharial.dev/v1alpha1/asrcardpools"


@pytest.fixture
def operator(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Operator]:
    api = Api(control_plane)
    install_crds(api, ROOT / "tests" / "operator" / "crds")
    process = Operator(operator_kubeconfig(api, tmp_path), tmp_path / "operator.log").start()
    yield process
    process.stop()
    api.close()


@pytest.fixture
def node(achronix_node: AchronixNode) -> AchronixNode:
    return achronix_node


def boots(api: Api, node: AchronixNode, boot: str) -> None:
    """The kubelet registers and is Ready, with this boot id."""
    path = f"/api/v1/nodes/{node.name}"
    labelled = {"name": node.name, "labels": {"test.gharial.dev/pool": node.name}}
    # Applied, not patched: else nobody's writes to this Node are recorded, and a cordon would be taken for an admin's.
    api.apply(path, {"apiVersion": "v1", "kind": "Node", "metadata": labelled})
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
    api.merge(f"{path}/status", {"status": {"conditions": [ready], "nodeInfo": {"bootID": boot}}})


def pool(node: AchronixNode) -> dict[str, Any]:
    spec = {
        "driver": "achronix",
        "nodeSelector": {"test.gharial.dev/pool": node.name},
        "bitstream": node.bitstream(),
        "licences": [{"secretRef": {"name": f"{node.name}-licences"}}],
    }
    head = {"apiVersion": "asr.gharial.dev/v1alpha1", "kind": "AsrCardPool", "metadata": {"name": node.name}}
    return {**head, "spec": spec}


@pytest.mark.timeout(250)
def test_a_node_is_emptied_written_waits_for_a_persons_power_cycle_and_is_given_back(
    control_plane: ControlPlane, node: AchronixNode, operator: Operator
) -> None:
    api = Api(control_plane)
    node.cards.start()
    node.map_devices()
    node.put_licences([node.licence(card) for card in node.ids()])
    boots(api, node, "first")
    api.apply(f"{POOLS}/{node.name}", pool(node))

    def rollout() -> dict[str, Any]:
        spec = (api.get(f"/apis/asr.gharial.dev/v1alpha1/asrcardnodes/{node.name}") or {}).get("spec", {})
        return {**spec.get("rollout", {}), "why": spec.get("flashReason", "")}

    eventually(lambda: "state" in rollout(), 20)
    node.start_agent()
    eventually(lambda: rollout()["state"] == "PowerCycling" and "power-cycle" in rollout()["why"], 60)
    assert "a reboot is not enough" in rollout()["why"]
    assert api.get(f"/api/v1/nodes/{node.name}")["spec"]["unschedulable"] is True
    assert [node.holds(card) for card in (0, 1)] == [True, True]
    assert [card["bitstream"] for card in node.status()["cards"]] == ["1.0.0", "1.0.0"]

    node.power_cycle()
    boots(api, node, "second")
    eventually(lambda: rollout()["state"] == "Done", 60)
    assert [card["bitstream"] for card in node.status()["cards"]] == ["1.14.0", "1.14.0"]
    assert not api.get(f"/api/v1/nodes/{node.name}")["spec"].get("unschedulable")
    api.delete(f"{POOLS}/{node.name}")
    eventually(lambda: api.get(f"{POOLS}/{node.name}") is None, 30)
    api.close()
