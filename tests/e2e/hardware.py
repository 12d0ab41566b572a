"""The simulated cards of the nodes: failures on demand, the power switch, and what the cards say of themselves.

The power switch and what cards say go through `gharial simcard` inside the pod that plays the node's cards, as an admin
would do it; failures through the same control socket from the node, so that the moment at which one strikes is known.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from gharial_cluster.demo.site import SYSTEM_NAMESPACE, Site
from gharial_cluster.network_plan import NODES
from gharial_wire.card_control import Fault

TAINT = "asr.gharial.dev/card"
#: Asks the node's hardware for a failure, and prints when (seconds since 1970).
INJECT = """
import json, socket, sys, time
for _ in range(300):  # after a restart of the node its hardware's process comes a little later
    try:
        hardware = socket.socket(socket.AF_UNIX)
        hardware.connect("/run/gharial/hardware/control.sock")
        break
    except OSError:
        time.sleep(0.1)
card, fault, times = sys.argv[1:]
struck = time.time()
hardware.sendall(json.dumps({"request": "inject", "cardId": card, "fault": fault, "times": times}).encode() + b"\\n")
answer = json.loads(hardware.makefile().readline())
sys.exit(answer["error"]) if "error" in answer else print(struck)
"""


class Hardware:
    """The one card of each node."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def state(self, node: str) -> dict[str, Any]:
        """The node's card as the hardware knows it."""
        [card] = json.loads(self._simcard(node, "state"))["cards"]
        found: dict[str, Any] = card
        return found

    def inject(self, node: str, fault: Fault, times: int | str = "always") -> float:
        """Makes the node's card fail; `times` 0 heals it. When it did, in seconds since 1970."""
        words = [self.card_id(node), str(fault), str(times)]
        return float(self._site.cluster.node_exec(node, [sys.executable, "-c", INJECT, *words]))

    def power_cycle(self, node: str) -> None:
        """Takes the power from the node's card and gives it back."""
        self._simcard(node, "power-cycle", "--card", self.card_id(node))

    def card_id(self, node: str) -> str:
        """Unique id of the node's card."""
        found: str = self.status(node)["uniqueId"]
        return found

    def status(self, node: str) -> dict[str, Any]:
        """The card in its AsrCardNode's status."""
        found: dict[str, Any] = (self._site.get("asrcardnode", node) or {})["status"]["cards"][0]
        return found

    def taints(self, node: str) -> dict[str, str]:
        """The taints of the node's device: effect and reason."""
        return {taint["effect"]: taint["value"] for taint in self._taints(node)}

    def tainted_at(self, node: str) -> float:
        """When the API server took the node's device away, in whole seconds since 1970."""
        return min(datetime.fromisoformat(taint["timeAdded"]).timestamp() for taint in self._taints(node))

    def _taints(self, node: str) -> list[dict[str, str]]:
        slices = [s for s in self._site.objects("resourceslices") if s["spec"].get("nodeName") == node]
        taints = [t for s in slices for device in s["spec"].get("devices", []) for t in device.get("taints", [])]
        return [taint for taint in taints if taint["key"] == TAINT]

    @contextmanager
    def mended(self) -> Iterator[None]:
        """Whatever happens inside, afterwards no card has a fault, and each is on the bus."""
        try:
            yield
        finally:
            for node in NODES:
                card = self.state(node)
                for fault in card["faults"]:
                    self.inject(node, Fault(fault), 0)
                if not card["onBus"] or card["health"] != "ok":
                    self.power_cycle(node)

    def _simcard(self, node: str, *words: str) -> str:
        selector = "app.kubernetes.io/component=simulated-cards"
        pods = self._site.objects("pods", SYSTEM_NAMESPACE, selector)
        [pod] = [p["metadata"]["name"] for p in pods if p["spec"]["nodeName"] == node and live(p)]
        return self._site.cluster.kubectl("exec", "-n", SYSTEM_NAMESPACE, pod, "--", "gharial", "simcard", *words)


def live(pod: dict[str, Any]) -> bool:
    """Whether a pod is not on its way out."""
    return "deletionTimestamp" not in pod["metadata"]


def agent_of(site: Site, node: str) -> str:
    """Name of the agent's pod on a node, empty while there is none."""
    pods = site.objects("pods", SYSTEM_NAMESPACE, "app.kubernetes.io/component=agent")
    return next((p["metadata"]["name"] for p in pods if p["spec"].get("nodeName") == node and live(p)), "")


def told_by_agent(site: Site, node: str) -> list[str]:
    """Reasons of the agent's events about a node."""
    events = [e for e in site.objects("events", "default") if e["involvedObject"]["name"] == node]
    return [e["reason"] for e in events if e.get("source", {}).get("component") == "gharial-agent"]
