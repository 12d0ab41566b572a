"""Keeps the API server's ResourceSlice as it should be, whoever changed or deleted it."""

import logging

from gharial_kube.client import JsonObject, Kube, KubeError

from gharial_agent.dra.slices import SLICES_PATH, slice_name, slice_object
from gharial_agent.mirror import Mirror

log = logging.getLogger(__name__)


class SlicePublisher:
    """Writes only when something differs. The kubelet deletes a node's slices when it starts: the mirror notices."""

    def __init__(self, kube: Kube, mirror: Mirror, node: str) -> None:
        self._kube = kube
        self._mirror = mirror
        self._node = node

    def publish(self, owner: JsonObject, devices: list[JsonObject]) -> None:
        """Brings the node's slice to these devices and removes any other slice of ours. Raises KubeError."""
        name = slice_name(self._node)
        live = self._mirror.objects()
        for other in live.keys() - {name}:
            self._kube.delete(f"{SLICES_PATH}/{other}")
        wanted = slice_object(self._node, owner, devices, live.get(name))
        if wanted is None:
            return
        try:
            written = self._write(name, wanted)
        except KubeError as error:
            if error.status in {404, 409}:
                return  # our picture is old: the mirror brings the new one, and with it the next attempt
            raise
        self._mirror.note(written)
        pool = written["spec"]["pool"]
        log.info("published %d devices, generation %d", len(devices), pool["generation"])

    def withdraw(self) -> None:
        """Removes the node's slices. Raises KubeError."""
        for name in self._mirror.objects():
            self._kube.delete(f"{SLICES_PATH}/{name}")

    def _write(self, name: str, wanted: JsonObject) -> JsonObject:
        if "resourceVersion" in wanted["metadata"]:
            return self._kube.replace(f"{SLICES_PATH}/{name}", wanted)
        return self._kube.create(SLICES_PATH, wanted)
