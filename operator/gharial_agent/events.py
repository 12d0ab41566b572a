"""One Kubernetes event for each turn that a card takes, with the words of its verdict."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from gharial_api import names
from gharial_api.conditions import Reason
from gharial_api.node import AsrCardNode
from gharial_kube.client import JsonObject, Kube, KubeError

from gharial_agent.decide.verdict import Verdict

log = logging.getLogger(__name__)

# Events about cluster-scoped objects live in this namespace.
NAMESPACE = "default"
LONGEST_MESSAGE = 1024


class EventRecorder:
    """Tells transitions; an event that cannot be written is no reason to stop."""

    def __init__(self, kube: Kube, node: str) -> None:
        self._kube = kube
        self._node = node
        self._told: dict[str, tuple[str, str]] = {}

    def tell(self, about: AsrCardNode, verdicts: Mapping[str, Verdict]) -> None:
        """Writes an event for each card whose phase or reason is not what it was."""
        for unique_id, verdict in verdicts.items():
            turn = (verdict.phase, str(verdict.reason))
            if self._told.get(unique_id) == turn:
                continue
            self._told[unique_id] = turn
            try:
                self._kube.create(f"/api/v1/namespaces/{NAMESPACE}/events", event_about(about, self._node, verdict))
            except KubeError as error:
                log.warning("event %s not written: %s", verdict.reason, error)


def event_about(about: AsrCardNode, node: str, verdict: Verdict) -> JsonObject:
    """The event that tells where a card stands; a Warning where a person should look."""
    now = datetime.now(UTC)
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    bad = verdict.phase == "Failed" or verdict.reason == Reason.FLASH_TOOL_SILENT
    bad = bad or (verdict.phase == "Pending" and verdict.reason != Reason.WAITING_FOR_CARDS)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{node}.", "namespace": NAMESPACE},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": names.NODE_KIND,
            "name": about.metadata.name,
            "uid": about.metadata.uid,
        },
        "type": "Warning" if bad else "Normal",
        "reason": verdict.phase if verdict.reason == Reason.AS_EXPECTED else str(verdict.reason),
        "message": verdict.message[:LONGEST_MESSAGE],
        "source": {"component": names.AGENT_MANAGER, "host": node},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
