"""The controllers of all nodes of a cluster, and the machines that obey them.

with MachineControllers(cluster) as controllers:
    controllers.url("node-a")  # for the Node's annotation asr.gharial.dev/bmc
    controllers.turn("node-a", Mood.FAILS)
"""

import logging
import threading
from contextlib import ExitStack
from types import TracebackType

from gharial_cluster.certificates import ensure_server_pki
from gharial_cluster.cluster import Cluster
from gharial_cluster.network_plan import NODES
from gharial_cluster.redfish.door import Door, Mood
from gharial_cluster.redfish.emulator import Emulator

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5


class MachineControllers:
    """One controller per node, each with an address of its own that the cluster's pods reach.

    While they run, each node's machine has power when its controller says so: what is switched by hand meanwhile is
    switched back.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._folder = cluster.paths.root / "redfish"
        self._emulator = Emulator(self._folder, NODES)
        self._doors: dict[str, Door] = {}
        self._ending = threading.Event()
        self._follower = threading.Thread(target=self._follow, name="machines obey their controllers", daemon=True)
        self._open = ExitStack()

    def __enter__(self) -> "MachineControllers":
        host = self._cluster.topology().network.host
        ensure_server_pki(self._folder / "pki", "bmc", (host,))
        with self._open as opening:
            opening.enter_context(self._emulator)
            for node in NODES:
                door = self._doors[node] = Door(host, self._folder / "pki", self._emulator, node)
                door.open()
                opening.callback(door.close)
            self._open = opening.pop_all()
        self._follower.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ending.set()
        self._follower.join()
        self._open.close()

    @property
    def authority(self) -> str:
        """The certificate to trust, as PEM."""
        return (self._folder / "pki" / "ca.crt").read_text()

    def url(self, node: str) -> str:
        """The controller's address with the path of the node's system."""
        return self._doors[node].url

    def turn(self, node: str, mood: Mood) -> None:
        """Makes a controller unwell, or well again."""
        self._doors[node].turn(mood)

    def _follow(self) -> None:
        while not self._ending.wait(_LOOK_SECONDS):
            for node in NODES:
                try:
                    self._obey(node)
                except (OSError, RuntimeError) as error:  # tried again at the next look
                    log.warning("%s does not obey its controller: %s", node, error)

    def _obey(self, node: str) -> None:
        wanted, has = self._emulator.has_power(node), self._cluster.machine(node).power is not None
        if wanted and not has:
            self._cluster.power_on(node)
        elif has and not wanted:
            self._cluster.power_off(node)
