"""One node with simulated cards and a real agent process, against a real API server; only the kubelet is played."""

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from gharial_kube.client import Kube, KubeError
from gharial_wire.bitstream import make_bitstream
from gharial_wire.licence import Licence, sign
from kubelet_double import Kubelet
from simulated_cards import ENVIRONMENT, Cards, eventually

NODES = "/apis/asr.gharial.dev/v1alpha1/asrcardnodes"
SLICES = "/apis/resource.k8s.io/v1/resourceslices"
SYSTEM = "/api/v1/namespaces/gharial-system"
VERSION = "1.14.0"
RELEASED = date(2026, 1, 1)


@dataclass
class CardNode:
    """The node `name`: its folders under `root`, its cards, its agent, and what the API server says of it."""

    name: str
    root: Path
    kube: Kube
    kubeconfig: Path
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    cards: Cards = field(init=False)
    kubelet: Kubelet = field(init=False)
    agent: subprocess.Popen[bytes] | None = None
    options: list[str] = field(default_factory=list)  # more words for the agent

    def __post_init__(self) -> None:
        words = [
            "--cards",
            "2",
            "--id-seed",
            self.name,
            "--boot-seconds",
            "0.2",
            "--write-rate",
            "1e6",
            "--without-compute",
        ]
        self.cards = Cards(self.root / "run", words)
        # A Unix socket's path holds 107 characters at most.
        self.kubelet = Kubelet(Path(tempfile.mkdtemp(prefix="k")))
        public = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "public.pem").write_bytes(public)

    def start_agent(self) -> None:
        """Starts the agent as its DaemonSet would, with every folder under `root`."""
        tool = f"{sys.executable} -m gharial_simcard.flash_tool"
        words = [
            sys.executable, "-m", "gharial_cli", "agent", "--node", self.name, "--kubeconfig", str(self.kubeconfig),
            "--public-key", str(self.root / "public.pem"), "--state", str(self.root / "state"),
            "--cdi", str(self.root / "cdi"), "--kubelet-root", str(self.kubelet.root),
            "--simulated-root", str(self.cards.root), "--flash-tool", tool, "--http-port", "0",
            "--boot-seconds", "3", *self.options,
        ]  # fmt: skip
        self.agent = subprocess.Popen(words, env=ENVIRONMENT)

    def kill_agent(self) -> None:
        """SIGKILL, as a node's crash or the kernel's memory killer would."""
        if self.agent is not None:
            self.agent.kill()
            self.agent.wait()
            self.agent = None

    def stop_agent(self) -> int:
        """SIGTERM, as the kubelet would; the exit status."""
        assert self.agent is not None
        self.agent.send_signal(signal.SIGTERM)
        status = self.agent.wait(30)
        self.agent = None
        return status

    def stop_agent_softly(self, seconds: float) -> int | None:
        """SIGTERM; the exit status, or None when the agent still runs after so long."""
        assert self.agent is not None
        self.agent.send_signal(signal.SIGTERM)
        try:
            return self.agent.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def ids(self) -> list[str]:
        return [card["cardId"] for card in self.cards.state()]

    def bitstream(self, version: str = VERSION, sha256: str | None = None) -> dict[str, str]:
        """The spec of a bitstream that lies in a file of this node."""
        path = self.root / f"{version}.bitstream"
        path.write_bytes(make_bitstream(version, RELEASED))
        return {
            "version": version,
            "url": f"file://{path}",
            "sha256": sha256 or hashlib.sha256(path.read_bytes()).hexdigest(),
        }

    def licence(self, card: str, max_version: str = "1.99.0", key: Ed25519PrivateKey | None = None) -> bytes:
        licence = Licence(
            card_id=card, max_version=max_version, max_release_date=date(2099, 1, 1), issued=datetime.now(UTC).date()
        )
        return sign(licence, key or self.key)

    def put_licences(self, documents: Sequence[bytes]) -> None:
        """Makes, or replaces, the Secret `<node>-licences`."""
        data = {f"{n}.json": base64.b64encode(document).decode() for n, document in enumerate(documents)}
        head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{self.name}-licences"}}
        path = f"{SYSTEM}/secrets/{self.name}-licences"
        self.kube.delete(path)
        self.kube.create(f"{SYSTEM}/secrets", {**head, "data": data})

    def put_spec(self, **changes: Any) -> None:
        """Makes or changes the node's AsrCardNode, as the operator would."""
        spec = {
            "poolRef": {"name": "pool"},
            "nodeName": self.name,
            "driver": "simulated",
            "licences": [{"secretRef": {"name": f"{self.name}-licences"}}],
            "flash": "Allowed",
            "flashReason": "FlashAllowed: go on.",
            "bitstream": None,
            **changes,
        }
        body = {
            "apiVersion": "asr.gharial.dev/v1alpha1",
            "kind": "AsrCardNode",
            "metadata": {"name": self.name},
            "spec": {key: value for key, value in spec.items() if value is not None},
        }
        self.kube.apply(f"{NODES}/{self.name}", body, "test-operator")

    def status(self) -> dict[str, Any]:
        assert self.agent is None or self.agent.poll() is None, "the agent ended"
        status: dict[str, Any] = self.kube.get(f"{NODES}/{self.name}").get("status") or {}
        return status

    def card(self, index: int = 0) -> dict[str, Any]:
        cards = self.status().get("cards") or [{}, {}]
        found: dict[str, Any] = cards[index]
        return found

    def condition(self, kind: str) -> dict[str, Any]:
        conditions = self.status().get("conditions") or []
        return next((c for c in conditions if c["type"] == kind), {})

    def ready_reason(self) -> str:
        return str(self.condition("Ready").get("reason", ""))

    def devices(self) -> dict[str, dict[str, Any]]:
        """The devices that are published for this node, by name."""
        items = self.kube.get(SLICES, fieldSelector=f"spec.nodeName={self.name}")["items"]
        return {device["name"]: device for item in items for device in item["spec"].get("devices") or []}

    def free_devices(self) -> list[str]:
        """Names of the devices that a pod may have."""
        return sorted(name for name, device in self.devices().items() if not device.get("taints"))

    def set_up(self, licensed: bool = True, **changes: Any) -> None:
        """Cards, licences, spec and agent."""
        self.cards.start()
        if licensed:
            self.put_licences([self.licence(card) for card in self.ids()])
        self.put_spec(**{"bitstream": self.bitstream(), **changes})
        self.start_agent()

    def wait_until_ready(self, version: str = VERSION, seconds: float = 40) -> None:
        """Waits until both cards run the version and are published without a taint."""
        eventually(lambda: [c.get("bitstream") for c in self.status().get("cards", [])] == [version] * 2, seconds)
        eventually(lambda: self.condition("Ready").get("status") == "True" and len(self.free_devices()) == 2, seconds)

    def clean_up(self) -> None:
        """Ends what runs and removes what the API server holds of this node."""
        self.kill_agent()
        self.cards.kill()
        shutil.rmtree(self.kubelet.root)
        secret = f"{SYSTEM}/secrets/{self.name}-licences"
        for path in (f"{NODES}/{self.name}", secret, f"/api/v1/nodes/{self.name}"):
            self.kube.delete(path)
        for item in self.kube.get(SLICES, fieldSelector=f"spec.nodeName={self.name}")["items"]:
            self.kube.delete(f"{SLICES}/{item['metadata']['name']}")


def install_crds(kube: Kube, folder: Path) -> None:
    """Applies the CRDs, and waits until AsrCardNodes can be listed; makes the operator's namespace."""
    import yaml

    for path in sorted(folder.glob("*.yaml")):
        crd = yaml.safe_load(path.read_text())
        name = crd["metadata"]["name"]
        kube.apply(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}", crd, "tests")
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "gharial-system"}}
    kube.apply("/api/v1/namespaces/gharial-system", body, "tests")
    eventually(lambda: listable(kube), 30)


def listable(kube: Kube) -> bool:
    try:
        return "items" in kube.get(NODES)
    except KubeError:
        return False


def make_claim(kube: Kube, name: str, node: str, device: str) -> dict[str, Any]:
    """A ResourceClaim that the scheduler would have given this device of the node."""
    path = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims"
    request = {"name": "card", "exactly": {"deviceClassName": "asr-card"}}
    body = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": name},
        "spec": {"devices": {"requests": [request]}},
    }
    kube.delete(f"{path}/{name}")
    made = kube.create(path, body)
    result = {"request": "card", "driver": "cards.asr.gharial.dev", "pool": node, "device": device}
    made["status"] = {"allocation": {"devices": {"results": [result]}}}
    return kube.replace(f"{path}/{name}/status", made)


def cdi_document(folder: Path, uid: str) -> dict[str, Any] | None:
    """A claim's CDI file."""
    path = folder / f"cards.asr.gharial.dev-{uid}.json"
    return json.loads(path.read_text()) if path.exists() else None


def running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
