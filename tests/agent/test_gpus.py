"""The agent of a GPU node: a real process, NVIDIA's own binding, a stand-in for NVML, a real API server."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_identity import write_kubeconfig
from card_node import NODES
from gharial_cluster.control_plane import ControlPlane, free_ports
from gharial_kube.client import Kube
from gpus import Gpus, build_library
from simulated_cards import ENVIRONMENT, eventually

NODE = "gpu-node"


class GpuNode:
    """A node of a cuda pool, with its agent."""

    def __init__(self, kube: Kube, folder: Path, library: Path) -> None:
        self.kube = kube
        self.gpus = Gpus(folder / "gpus")
        self._kubeconfig = folder / "agent.kubeconfig"
        self._environment = {**ENVIRONMENT, "GPUS": str(self.gpus.file), "LD_LIBRARY_PATH": str(library)}
        self.port = free_ports(1)[0]
        self.agent: subprocess.Popen[bytes] | None = None
        spec = {"poolRef": {"name": "gpus"}, "nodeName": NODE, "driver": "cuda"}
        body = {"apiVersion": "asr.gharial.dev/v1alpha1", "kind": "AsrCardNode", "metadata": {"name": NODE}}
        kube.apply(f"{NODES}/{NODE}", {**body, "spec": spec}, "tests")

    def start(self, **environment: str) -> None:
        words = [sys.executable, "-m", "gharial_cli", "agent", "--gpus", "--node", NODE]
        words += ["--kubeconfig", str(self._kubeconfig), "--http-port", str(self.port), "--gpu-seconds", "0.5"]
        self.agent = subprocess.Popen(words, env={**self._environment, **environment})

    def stop(self) -> int:
        assert self.agent is not None
        self.agent.terminate()
        return self.agent.wait(30)

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.kube.get(f"{NODES}/{NODE}").get("status") or {}
        return status

    def card(self, index: int) -> dict[str, Any]:
        found: dict[str, Any] = self.status()["cards"][index]
        return found

    def ready(self) -> dict[str, Any]:
        return next((c for c in self.status().get("conditions", []) if c["type"] == "Ready"), {})

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    def becomes(self, reason: str) -> str:
        """Waits for a reason of Ready; its sentence."""
        eventually(lambda: self.ready().get("reason") == reason, 20)
        return str(self.ready()["message"])


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_library(tmp_path_factory.mktemp("nvml")).parent


@pytest.fixture
def node(control_plane: ControlPlane, library: Path, tmp_path: Path) -> Iterator[GpuNode]:
    kube = Kube(control_plane.kubeconfig)
    write_kubeconfig(kube, control_plane.kubeconfig, NODE, tmp_path / "agent.kubeconfig")
    node = GpuNode(kube, tmp_path, library)
    yield node
    if node.agent is not None and node.agent.poll() is None:
        node.agent.kill()
        node.agent.wait()
    kube.delete(f"{NODES}/{NODE}")
    kube.delete(f"/api/v1/nodes/{NODE}")


def test_gpus_are_reported_with_address_uuid_product_and_driver(node: GpuNode) -> None:
    node.start()
    assert node.becomes("CardsReady") == "All 2 GPUs are fit to serve; driver 580.95.05."
    card = node.card(0)
    assert card["pciAddress"] == "0000:3b:00.0"
    assert card["uniqueId"] == "GPU-00000000-0000-0000-0000-000000000000"
    assert card["gpu"] == {"product": "NVIDIA L4", "memory": "23552Mi", "driverVersion": "580.95.05"}
    assert (card["health"], card["phase"], card["licence"]["state"]) == ("Healthy", "Ready", "NotNeeded")
    assert not card.get("bitstream")
    assert node.status()["summary"] == "2/2"
    assert node.stop() == 0


def test_a_serious_xid_error_makes_the_gpu_unhealthy_and_a_programs_error_does_not(node: GpuNode) -> None:
    node.start()
    node.becomes("CardsReady")
    node.gpus.xid(0, 31)
    node.gpus.xid(1, 79)
    said = node.becomes("CardUnhealthy")
    assert said.startswith("GPU 0000:3c:00.0: NVIDIA's driver reported Xid 79: it has fallen off the bus.")
    assert (node.card(0)["health"], node.card(1)["health"]) == ("Healthy", "Unhealthy")
    events = node.kube.get("/api/v1/namespaces/default/events")["items"]
    told = [e for e in events if e["reason"] == "CardUnhealthy" and e["involvedObject"]["name"] == NODE]
    assert len(told) == 1
    assert told[0]["type"] == "Warning"


def test_a_gpu_that_no_longer_answers_keeps_its_name_and_is_unhealthy(node: GpuNode) -> None:
    node.start()
    node.becomes("CardsReady")
    node.gpus.harm(0, lost=15)
    assert "NVML says: GPU is lost" in node.becomes("CardUnhealthy")
    assert node.card(0)["uniqueId"].startswith("GPU-")
    node.gpus.harm(0, lost=None)
    node.becomes("CardsReady")


def test_a_gpu_that_was_there_before_the_agent_started_anew_is_missed(node: GpuNode) -> None:
    node.start()
    node.becomes("CardsReady")
    node.stop()
    node.gpus.change(count=1)
    node.start()
    assert node.becomes("CardUnhealthy").startswith("GPU 0000:3c:00.0: It was there and is not any more.")
    assert node.status()["summary"] == "1/2"


def test_memory_that_waits_for_a_reset_is_told(node: GpuNode) -> None:
    node.gpus.harm(0, rows="0,1,1,0")
    node.gpus.harm(1, rows=None, clocks=None, recovery=None, memory=None, utilisation=None)
    node.start()
    assert "0000:3b:00.0: Faulty memory is replaced at the next reset" in node.becomes("CardUnhealthy")
    assert node.card(1)["health"] == "Healthy"


def test_without_driver_or_library_the_sentence_says_what_to_do_and_the_agent_goes_on(
    node: GpuNode, tmp_path: Path
) -> None:
    node.gpus.change(init=9)
    node.start()
    assert "NVIDIA's kernel driver is not loaded" in node.becomes("NvmlUnavailable")
    node.gpus.change(init=None)
    node.becomes("CardsReady")
    node.stop()
    node.start(LD_LIBRARY_PATH=str(tmp_path))
    assert "gpus.runtimeClassName" in node.becomes("NvmlUnavailable")
    assert [card["health"] for card in node.status()["cards"]] == ["Unknown", "Unknown"]


def test_an_agent_that_sees_nothing_new_writes_nothing_but_its_metrics(node: GpuNode) -> None:
    node.start()
    node.becomes("CardsReady")
    before = node.kube.get(f"{NODES}/{NODE}")["metadata"]["resourceVersion"]
    node.gpus.harm(0, used=2**31, utilisation=90)
    eventually(lambda: 'gharial_agent_gpu_utilisation{pci_address="0000:3b:00.0"} 0.9' in node.metrics())
    assert 'gharial_agent_gpu_memory_used_bytes{pci_address="0000:3b:00.0"} 2.147483648e+09' in node.metrics()
    assert node.kube.get(f"{NODES}/{NODE}")["metadata"]["resourceVersion"] == before
