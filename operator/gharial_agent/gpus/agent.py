"""The agent of a node with NVIDIA GPUs: looks by NVML, reports, and does nothing else to them."""

import logging
import threading
import time
from datetime import UTC, datetime

from gharial_api.conditions import Reason
from gharial_api.node import AsrCardNode, NodeStatus
from gharial_kube.client import Kube, KubeError
from prometheus_client import Gauge
from pydantic import ValidationError

from gharial_agent import web
from gharial_agent.decide.verdict import Verdict
from gharial_agent.events import EventRecorder
from gharial_agent.gpus.health import Memory, trouble
from gharial_agent.gpus.nvml import Nvml
from gharial_agent.gpus.reading import NvmlUnavailableError, Reading
from gharial_agent.gpus.status import Seen, gpu_status
from gharial_agent.mirror import Mirror
from gharial_agent.status_writer import NODES_PATH, StatusWriter

log = logging.getLogger(__name__)

#: Rounds follow each other at least this far apart, in seconds.
SHORTEST_ROUND_SECONDS = 0.2
DRIVER = "cuda"

MEMORY_USED = Gauge("gharial_agent_gpu_memory_used_bytes", "Memory in use on a GPU.", ["pci_address"])
UTILISATION = Gauge("gharial_agent_gpu_utilisation", "Part of the time in which a GPU works, 0 to 1.", ["pci_address"])


class GpuAgent:
    """One node's GPUs. Other drivers' nodes are left to the other agent, and are not looked at.

    round_seconds: how often GPUs are looked at when no Xid error wakes the agent.
    """

    def __init__(self, node: str, kube: Kube, round_seconds: float) -> None:
        self._node = node
        self._round_seconds = round_seconds
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self.pulse = web.Pulse()
        self._nodes = Mirror(kube, NODES_PATH, self._wake.set, fieldSelector=f"metadata.name={node}")
        self._status = StatusWriter(kube, self._nodes, node)
        self._events = EventRecorder(kube, node)
        self._memory = Memory()
        self._nvml = Nvml(self._on_xid)
        self.pulse.ready = self._nodes.synced.is_set

    def run(self) -> None:
        """Works until `stop`."""
        self._nodes.start()
        while not self._stopping.is_set():
            self._wake.clear()
            self.round()
            self.pulse.beat()
            self._stopping.wait(SHORTEST_ROUND_SECONDS)
            self._wake.wait(self._round_seconds)
        self._nvml.close()

    def stop(self) -> None:
        """Asks the loop to end; safe in a signal handler."""
        self._stopping.set()
        self._wake.set()

    def round(self) -> None:
        """One look, one report. What the API server refuses now is tried again in the next round."""
        live = self._nodes.objects().get(self._node)
        if live is None:
            return
        try:
            node = AsrCardNode.model_validate(live)
            if node.spec.driver != DRIVER:
                return
            status = gpu_status(node, self._look(), datetime.now(UTC))
            self._status.write(status, live, time.time())
            self._tell(node, status)
        except ValidationError as error:
            log.error("AsrCardNode %s cannot be read: %s", self._node, error)
        except KubeError as error:
            log.warning("round broken off: %s", error)

    def _look(self) -> Seen:
        now = time.time()
        try:
            reading = self._nvml.look()
        except NvmlUnavailableError as error:
            log.warning("%s", error)
            return Seen(None, {}, str(error))
        self._memory.note_heat(reading, now)
        xids, slow_since = dict(self._memory.xids), self._memory.slow_since
        troubles = {gpu.uuid: trouble(gpu, xids, slow_since, now) for gpu in reading.gpus}
        measure(reading)
        return Seen(reading, troubles)

    def _on_xid(self, uuid: str, number: int) -> None:
        log.warning("GPU %s: Xid %d", uuid, number)
        if self._memory.note_xid(uuid, number):
            self._wake.set()

    def _tell(self, node: AsrCardNode, status: NodeStatus) -> None:
        """One event for each GPU whose state is another one; the gauge of cards."""
        verdicts = {
            card.unique_id: Verdict(
                card.phase,
                Reason.CARD_UNHEALTHY if card.health == "Unhealthy" else Reason.AS_EXPECTED,
                f"GPU {card.pci_address}: {card.health_message or 'fit to serve'}",
            )
            for card in status.cards
        }
        self._events.tell(node, verdicts)
        web.CARDS.clear()
        for verdict in verdicts.values():
            web.CARDS.labels(verdict.phase).inc()


def measure(reading: Reading) -> None:
    """The gauges of GPUs."""
    MEMORY_USED.clear()
    UTILISATION.clear()
    for gpu in reading.gpus:
        if gpu.fault:
            continue
        MEMORY_USED.labels(gpu.pci_address).set(gpu.memory_used_bytes)
        if gpu.utilisation_percent is not None:
            UTILISATION.labels(gpu.pci_address).set(gpu.utilisation_percent / 100)
