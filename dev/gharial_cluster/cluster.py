"""A real Kubernetes cluster of two nodes on this machine: the box.

cluster = Cluster.for_checkout()
cluster.up(Progress())
cluster.kubectl("get", "nodes")
cluster.down()
"""

import contextlib
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gharial_cluster import bring_up, cgroups, processes
from gharial_cluster.binaries.store import Binaries
from gharial_cluster.control_plane import run_kubectl
from gharial_cluster.files import locked, write_atomically
from gharial_cluster.image_stores import image_store
from gharial_cluster.machine import Machine
from gharial_cluster.network import host_networks, unplug_host
from gharial_cluster.network_plan import CONTROL_PLANE, NODES, NetworkPlan, choose
from gharial_cluster.node_images import load_image
from gharial_cluster.paths import ClusterPaths, cache_root, checkout_root, default_name, short_hash
from gharial_cluster.progress import Progress
from gharial_cluster.topology import Topology


@dataclass(frozen=True)
class Cluster:
    """One cluster, up or down, known by its name."""

    name: str
    paths: ClusterPaths

    @classmethod
    def named(cls, name: str) -> "Cluster":
        """The cluster called `name`."""
        return cls(name, ClusterPaths.of(name))

    @classmethod
    def for_checkout(cls, checkout: Path | None = None) -> "Cluster":
        """The cluster that belongs to a checkout: by default the one this code runs from."""
        return cls.named(default_name(checkout or checkout_root()))

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.paths.kubeconfig

    def up(self, progress: Progress | None = None) -> None:
        """Starts whatever does not run yet; returns when both nodes, names and the gateway are ready.

        Raises:
            RuntimeError: with the remedy, or with the end of the log of the part that failed.
        """
        with self._locked():
            bring_up.bring_up(self, progress or Progress())

    def down(self) -> None:
        """Ends everything; only the cache stays: programs, and the nodes' images."""
        with self._locked():
            if not self.paths.root.exists():
                return
            topology = self.topology()
            for name in (*NODES, CONTROL_PLANE):
                self.machine(name).switch_off()
            unplug_host(topology.network)
            self._await_empty(topology.cgroup)
            shutil.rmtree(self.paths.root, ignore_errors=True)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints.

        Raises:
            RuntimeError: kubectl failed; the message is its own.
        """
        return run_kubectl(self.kubeconfig, *arguments, stdin=stdin)

    def load_image(self, archive: Path, nodes: Sequence[str] = NODES) -> None:
        """Brings the images of an archive (docker or OCI) to the nodes; skips what is there already.

        Raises:
            RuntimeError: a node is off, or its containerd refuses the archive.
        """
        load_image([self.machine(node) for node in nodes], archive)

    def node_exec(self, node: str, argv: Sequence[str]) -> str:
        """Runs `argv` on a node, as root of that machine, and returns what it prints.

        Raises:
            RuntimeError: the node is off or the program failed.
        """
        return self.machine(node).run(argv)

    def node_ip(self, node: str) -> str:
        """A node's address; the host reaches it directly."""
        return self.topology().network.node(node)

    def power_off(self, node: str) -> None:
        """Takes a node's power away: everything on it ends at once; harmless when it is off."""
        with self._locked():
            self._switch_off(node)

    def power_on(self, node: str) -> None:
        """Gives a node its power back, and returns when its containerd answers; harmless when it is on.

        Raises:
            RuntimeError: the machine does not boot; the message holds its log.
        """
        with self._locked():
            bring_up.switch_on_node(self, node)

    def restart_node(self, node: str) -> None:
        """A reboot without a goodbye: everything on the node ends at once, then it boots again; its power stays on."""
        with self._locked():
            self._switch_off(node)
            bring_up.switch_on_node(self, node, reboot=True)

    def _switch_off(self, node: str) -> None:
        machine = self.machine(node)
        machine.switch_off()
        self._await_empty(machine.plan.cgroup)

    def topology(self) -> Topology:
        """The cluster's machines; its addresses are chosen at the first call and kept until `down`."""
        chosen = self.paths.root / "network.json"
        identity = short_hash(self.name)
        if chosen.exists():
            network = NetworkPlan(int(json.loads(chosen.read_text())["number"]), f"gh-{identity}")
        else:
            with locked(cache_root() / "clusters" / ".network.lock"):
                network = choose(identity, _numbers_in_use(), host_networks())
                write_atomically(chosen, json.dumps({"number": network.number}))
        return Topology(
            self.paths,
            network,
            Binaries.default().root,
            image_store(self.name),
        )

    def machine(self, name: str) -> Machine:
        """One machine: a node, or "control-plane"."""
        topology = self.topology()
        plan = topology.control_plane_machine() if name == CONTROL_PLANE else topology.node_machine(name)
        return Machine(plan, self.paths.records / f"{name}.json", self.paths.logs / f"{name}.log")

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        """One command at a time changes a cluster."""
        busy = f"another command is changing the cluster {self.name}; wait for it, or end it, and try again"
        return locked(cache_root() / "clusters" / f".{self.name}.lock", busy)

    def _await_empty(self, cgroup: str, patience: float = 20.0) -> None:
        """Returns when nothing of the machine is left in its cgroups, and removes them."""
        deadline = time.monotonic() + patience
        while left := cgroups.remove(cgroup):
            if time.monotonic() > deadline:
                raise RuntimeError(f"processes are left in {left[0]}; see its cgroup.procs")
            time.sleep(0.05)


def _numbers_in_use() -> list[int]:
    """The network numbers of all clusters on this machine."""
    found = []
    for file in (cache_root() / "clusters").glob("*/network.json"):
        with contextlib.suppress(ValueError, KeyError):
            found.append(int(json.loads(file.read_text())["number"]))
    return found


def running_machines(cluster: Cluster) -> dict[str, processes.Record | None]:
    """Every machine of the cluster and the process that holds it, None when it is off."""
    return {name: cluster.machine(name).power for name in (CONTROL_PLANE, *NODES)}
