"""Writes AsrCardNode's status when it says something new."""

import logging

from gharial_api import names
from gharial_api.base import JsonObject
from gharial_api.node import NodeStatus
from gharial_kube.client import Kube, KubeError

from gharial_agent.mirror import Mirror

log = logging.getLogger(__name__)

NODES_PATH = f"/apis/{names.API_VERSION}/{names.NODE_PLURAL}"
# The number of streams changes all the time; alone it is written this often.
STREAMS_SECONDS = 10.0


class StatusWriter:
    """Server-side apply on the status subresource, under the agent's own field manager."""

    def __init__(self, kube: Kube, mirror: Mirror, node: str) -> None:
        self._kube = kube
        self._mirror = mirror
        self._node = node
        self._written_at = 0.0

    def write(self, status: NodeStatus, live: JsonObject, now: float) -> None:
        """Brings the status to what it should be. Raises KubeError; an object that is gone is none."""
        wanted = status.to_json()
        present = live.get("status") or {}
        if comparable(wanted) == comparable(present):
            return
        streams_alone = comparable(wanted, streams=False) == comparable(present, streams=False)
        if streams_alone and now - self._written_at < STREAMS_SECONDS:
            return
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.NODE_KIND,
            "metadata": {"name": self._node, "uid": live["metadata"]["uid"]},
            "status": wanted,
        }
        try:
            written = self._kube.apply(f"{NODES_PATH}/{self._node}/status", body, names.AGENT_MANAGER)
        except KubeError as error:
            if error.status in {404, 409}:
                return  # deleted, or made anew: the mirror tells
            raise
        self._written_at = now
        self._mirror.note(written)


def comparable(status: JsonObject, streams: bool = True) -> JsonObject:
    """The status without what two writings of the same thing may differ in: empty values, and streams when asked."""
    pruned = prune(status)
    assert isinstance(pruned, dict)
    if not streams:
        for card in pruned.get("cards", []):
            card["streams"] = {k: v for k, v in card.get("streams", {}).items() if k != "used"}
    return pruned


def prune(value: object) -> object:
    """The value without fields that are empty, zero or null, which the API server may leave out or keep."""
    if isinstance(value, dict):
        pruned = {key: prune(item) for key, item in value.items()}
        return {key: item for key, item in pruned.items() if item not in (None, "", 0, [], {})}
    if isinstance(value, list):
        return [prune(item) for item in value]
    return value
