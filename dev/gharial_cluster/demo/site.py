"""Gharial installed on a cluster: the chart, simulated cards, their licences, a pool and a model.

Every step may be repeated, so an interrupted demo simply runs again.
"""

import base64
import copy
import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from gharial_wire.bitstream import make_bitstream

from gharial_cluster.addons import envoy_gateway
from gharial_cluster.binaries.store import Binaries
from gharial_cluster.cluster import Cluster
from gharial_cluster.demo.issuer import Issuer
from gharial_cluster.images.build import BuiltImage
from gharial_cluster.images.loading import load
from gharial_cluster.network_plan import NODES
from gharial_cluster.paths import checkout_root
from gharial_cluster.progress import Progress

SYSTEM_NAMESPACE = "gharial-system"
CARDS_LABEL = "asr.gharial.dev/cards=simulated"
LICENCES_SECRET = "card-licences"
STREAM_PATH = "/asr/v0.1/stream"
# The port of every node on which the demo's gateway listens.
GATEWAY_NODE_PORT = 30080
RELEASE_DATES = {"1.12.0": date(2025, 7, 1), "1.13.0": date(2025, 10, 1), "1.14.0": date(2026, 1, 1)}

Manifest = dict[str, Any]


class NotReachedError(RuntimeError):
    """A state was not reached in time; the message tells what the objects said last."""


@dataclass(frozen=True)
class Site:
    """One installation of Gharial on one cluster."""

    cluster: Cluster
    issuer: Issuer

    @classmethod
    def on(cls, cluster: Cluster) -> "Site":
        """The installation on a cluster; its issuer's key lies beside the cluster's files."""
        return cls(cluster, Issuer(cluster.paths.root / "issuer"))

    # -- objects ---------------------------------------------------------------------------------

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """Server-side apply of whole manifests."""
        documents = "\n---\n".join(json.dumps(manifest) for manifest in manifests)
        self.cluster.kubectl(
            "apply", "--server-side", "--force-conflicts", "--field-manager=gharial-demo", "-f", "-", stdin=documents
        )

    def get(self, kind: str, name: str, namespace: str | None = None) -> Manifest | None:
        """An object, or None when there is none."""
        text = self.cluster.kubectl("get", kind, name, *scope(namespace), "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def objects(self, kind: str, namespace: str | None = None, selector: str | None = None) -> list[Manifest]:
        """Objects of one kind, in one namespace or in all."""
        where = scope(namespace) if namespace else ["--all-namespaces"]
        labels = ["-l", selector] if selector else []
        items: list[Manifest] = json.loads(self.cluster.kubectl("get", kind, *where, *labels, "-o", "json"))["items"]
        return items

    def delete(self, kind: str, name: str, namespace: str | None = None, wait: bool = True) -> None:
        """Deletes an object if it is there."""
        waiting = f"--wait={'true' if wait else 'false'}"
        self.cluster.kubectl("delete", kind, name, *scope(namespace), "--ignore-not-found", waiting, "--timeout=120s")

    # -- installation ----------------------------------------------------------------------------

    def load(self, images: Sequence[BuiltImage], progress: Progress) -> None:
        """Brings images to every node; only what a node lacks travels. Their tags are kept for `install`."""
        for node in NODES:
            load(images, self.cluster.machine(node).enter_command(["ctr"]), progress.note)
        tags = {image.pinned.rpartition("/")[2].split(":")[0]: image.pinned.rpartition(":")[2] for image in images}
        self._tags.write_text(json.dumps(tags))

    @property
    def _tags(self) -> Path:
        return self.cluster.paths.root / "image-tags.json"

    def install(self, *overrides: str) -> str:
        """Installs or upgrades the chart with the demo's values; `overrides` are helm's --set arguments.

        Raises RuntimeError with what helm said.
        """
        values = self.cluster.paths.root / "values.yaml"
        chosen = demo_values(self.issuer.public_key(), json.loads(self._tags.read_text()))
        values.write_text(yaml.safe_dump(chosen))
        sets = [word for override in overrides for word in ("--set", override)]
        helm = Binaries.default().ensure("helm")["helm"]
        self._forget_killed_helm()
        done = subprocess.run(
            [
                str(helm), "upgrade", "--install", "gharial", str(checkout_root() / "charts" / "gharial"),
                f"--kubeconfig={self.cluster.kubeconfig}", "--namespace", SYSTEM_NAMESPACE, "--create-namespace",
                "--values", str(values), *sets, "--wait", "--timeout", "240s",
            ],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"helm could not install the chart: {done.stderr.strip()}")
        return done.stdout

    def _forget_killed_helm(self) -> None:
        """Helm refuses for ever to change a release that a killed helm left as pending; whoever calls is alone."""
        pending = "owner=helm,name=gharial,status in (pending-install,pending-upgrade,pending-rollback)"
        self.cluster.kubectl("delete", "secret", "--namespace", SYSTEM_NAMESPACE, "--selector", pending)

    def label_nodes(self, *names: str) -> None:
        """Says which nodes have simulated cards; the label goes from all others."""
        for node in NODES:
            label = CARDS_LABEL if node in names else CARDS_LABEL.split("=")[0] + "-"
            self.cluster.kubectl("label", "node", node, label, "--overwrite")

    def put_bitstream(self, version: str) -> None:
        """Stores a bitstream's file in a ConfigMap named for its version."""
        image = make_bitstream(version, RELEASE_DATES[version])
        folder = self.cluster.paths.root / "bitstreams"
        folder.mkdir(exist_ok=True)
        file = folder / f"{version}.flash"
        file.write_bytes(image)
        rendered = self.cluster.kubectl(
            "create", "configmap", f"bitstream-{version.replace('.', '-')}", "-n", SYSTEM_NAMESPACE,
            f"--from-file=bitstream.flash={file}", "--dry-run=client", "-o", "json",
        )  # fmt: skip
        self.apply(json.loads(rendered))

    def card_ids(self) -> list[str]:
        """Unique ids of all cards that the agents have found."""
        nodes = self.objects("asrcardnodes")
        return sorted(card["uniqueId"] for node in nodes for card in node.get("status", {}).get("cards", []))

    def licence_cards(self, card_ids: list[str], ending: Mapping[str, date] | None = None) -> None:
        """Gives the pool a licence for each of these cards, and for no other. `ending`: the last day of some."""
        ends = ending or {}
        # data, not stringData: a key that is left out is taken out of the Secret.
        files = {
            f"{card_id}.json": base64.b64encode(self.issuer.licence(card_id, ends.get(card_id))).decode()
            for card_id in card_ids
        }
        self.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": LICENCES_SECRET, "namespace": SYSTEM_NAMESPACE},
                "data": files,
            }
        )

    # -- states ----------------------------------------------------------------------------------

    def condition(self, kind: str, name: str, condition: str, namespace: str | None = None) -> Manifest:
        """A condition of an object as it is now, with status Unknown when it is not there yet."""
        found = self.get(kind, name, namespace) or {}
        for entry in found.get("status", {}).get("conditions", []):
            if entry["type"] == condition and is_current(found, entry):
                return dict(entry)
        return {"type": condition, "status": "Unknown", "reason": "NotReported", "message": "nothing reported yet"}

    def wait_condition(
        self, kind: str, name: str, condition: str, status: str = "True", *, namespace: str | None = None,
        reason: str | None = None, timeout: float = 120, tell: Callable[[str], None] | None = None,
    ) -> Manifest:  # fmt: skip
        """Waits until a condition has a status (and a reason), and returns it. `tell` hears what it says meanwhile."""
        last: Manifest = {}

        def reached() -> bool:
            nonlocal last
            last = self.condition(kind, name, condition, namespace)
            if tell is not None:
                tell(f"{kind}/{name}: {last['reason']}: {last['message']}")
            return last["status"] == status and reason in {None, last["reason"]}

        wanted = f"{kind}/{name} {condition}={status}" + (f" ({reason})" if reason else "")
        wait_until(reached, timeout, lambda: f"{wanted} was not reached; it says {last}")
        return last

    def gateway_url(self, node: str | None = None) -> str:
        """Address of the streaming API at the gateway's port on a node."""
        return f"ws://{self.cluster.node_ip(node or NODES[0])}:{GATEWAY_NODE_PORT}{STREAM_PATH}"


def wait_until(reached: Callable[[], bool], timeout: float, otherwise: Callable[[], str], pause: float = 0.5) -> None:
    """Waits for a state of the cluster. Raises NotReachedError with `otherwise()` after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not reached():
        if time.monotonic() > end:
            raise NotReachedError(f"after {timeout:.0f} s: {otherwise()}")
        time.sleep(pause)


def is_current(found: Manifest, condition: Manifest) -> bool:
    """Whether a condition speaks of the object's present spec."""
    generation = found["metadata"].get("generation", 0)
    return bool(condition.get("observedGeneration", generation) == generation)


def scope(namespace: str | None) -> list[str]:
    """kubectl's words for a namespace."""
    return ["-n", namespace] if namespace else []


def example(name: str) -> list[Manifest]:
    """The manifests of examples/simulated/NAME.yaml."""
    text = (checkout_root() / "examples" / "simulated" / f"{name}.yaml").read_text()
    return [copy.deepcopy(document) for document in yaml.safe_load_all(text) if document]


def demo_values(public_key: str, tags: dict[str, str]) -> Manifest:
    """The chart's values on the box: local images, simulated cards, a gateway on a port of every node."""
    # Listener, Service and node share one port number, so that the address in a model's status is right as it stands.
    number = GATEWAY_NODE_PORT
    port = {"name": f"http-{number}", "port": number, "protocol": "TCP", "targetPort": number, "nodePort": number}
    service = {
        "type": "NodePort",
        # A node passes streams to its own Envoy alone: no stream goes through a machine that holds nothing of it.
        "externalTrafficPolicy": "Local",
        "patch": {"type": "StrategicMerge", "value": {"spec": {"ports": [port]}}},
    }
    few = {"requests": {"cpu": "50m", "memory": "128Mi"}}
    deployment = {"container": {"image": envoy_gateway.IMAGE, "resources": few}}
    provider = {"type": "Kubernetes", "kubernetes": {"envoyService": service, "envoyDeployment": deployment}}
    return {
        "image": {"tags": tags, "pullPolicy": "Never"},
        "licensing": {"publicKey": public_key},
        # Simulated cards are written in seconds.
        "agent": {"silenceSeconds": 10},
        # Fifty streams of the starter model take a third of a core: so many as the example's pool gives to a card.
        "simulatedCards": {"enabled": True, "cardsPerNode": 1, "streamsPerCard": 50},
        "gateway": {"className": "gharial", "port": number, "envoyProxy": {"provider": provider}},
    }
