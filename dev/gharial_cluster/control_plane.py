"""etcd and an API server alone, on loopback: a real Kubernetes API within seconds, for tests of the API.

No root and no nodes: objects are admitted, defaulted, validated and watched exactly as in a cluster,
and nothing runs.
"""

import contextlib
import json
import random
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gharial_cluster import control_plane_plan as plans
from gharial_cluster import processes
from gharial_cluster.binaries.store import Binaries
from gharial_cluster.certificates import ensure_pki
from gharial_cluster.files import write_atomically
from gharial_cluster.kubeconfig import write_kubeconfig
from gharial_cluster.paths import ClusterPaths

_PORT_SECONDS = 5.0
_READY_SECONDS = 60.0
# How many ports below those of outgoing connections are looked at.
_PORTS = 12_000


@dataclass(frozen=True)
class ControlPlane:
    """etcd and an API server of their own on 127.0.0.1, under `paths`.

    Example:
        with ControlPlane(ClusterPaths.of("api-tests")).running() as control_plane:
            control_plane.kubectl("get", "namespaces")
    """

    paths: ClusterPaths

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.paths.kubeconfig

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._plan().url

    def up(self, binaries: Binaries | None = None) -> None:
        """Starts what does not run, and returns when the API server is ready.

        Raises:
            RuntimeError: a part ended or did not become ready in time; the message holds the end of its log.
        """
        programs = (binaries or Binaries.default()).ensure("etcd", "kube-apiserver", "kubectl")
        plan = self._plan()
        ensure_pki(self.paths.pki, plan.server_hosts, ())
        write_kubeconfig(self.kubeconfig, plan.url, self.paths.pki, "admin")
        for service, port in (
            (plans.etcd(plan, programs["etcd"]), plan.etcd_port),
            (plans.api_server(plan, programs["kube-apiserver"]), plan.port),
        ):
            record = processes.read_record(self._record(service.name))
            if record is None or not record.alive():
                _await_free(port)
            processes.start(self._record(service.name), self._log(service.name), service.argv)
        self._await_ready(plan)

    def down(self) -> None:
        """Ends both processes and removes the folder."""
        for name in ("kube-apiserver", "etcd"):
            record = processes.read_record(self._record(name))
            if record is not None:
                processes.stop(record, patience=2.0, gently=name == "etcd")
        shutil.rmtree(self.paths.root, ignore_errors=True)

    @contextlib.contextmanager
    def running(self) -> Iterator["ControlPlane"]:
        """Up on entry, down on exit."""
        try:
            self.up()
            yield self
        finally:
            self.down()

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What `kubectl` prints.

        Raises:
            RuntimeError: kubectl failed; the message is its own.
        """
        return run_kubectl(self.kubeconfig, *arguments, stdin=stdin)

    def _plan(self) -> plans.ControlPlanePlan:
        chosen = self.paths.root / "ports.json"
        if not chosen.exists():
            write_atomically(chosen, json.dumps(free_ports(3)))
        ports: list[int] = json.loads(chosen.read_text())
        root = self.paths.root
        return plans.ControlPlanePlan(
            self.paths.pki,
            self.paths.etcd,
            root,
            "127.0.0.1",
            port=ports[0],
            etcd_port=ports[1],
            etcd_peer_port=ports[2],
        )

    def _record(self, name: str) -> Path:
        return self.paths.records / f"{name}.json"

    def _log(self, name: str) -> Path:
        return self.paths.logs / f"{name}.log"

    def _await_ready(self, plan: plans.ControlPlanePlan) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not api_ready(plan.url, self.paths.pki):
            for name in ("etcd", "kube-apiserver"):
                record = processes.read_record(self._record(name))
                if record is None or not record.alive():
                    raise RuntimeError(f"{name} ended early:\n{processes.tail(self._log(name))}")
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"the API server was not ready after {_READY_SECONDS:.0f} s:\n"
                    f"{processes.tail(self._log('kube-apiserver'))}"
                )
            time.sleep(0.1)


def free_ports(count: int) -> list[int]:
    """`count` TCP ports of 127.0.0.1 that nobody listens on now.

    None of those that the kernel gives to outgoing connections: one of them could take the port while its listener is
    away. Even the connection that looks for the listener could, and be answered by itself.
    """
    first_given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    below = range(max(1024, first_given - _PORTS), first_given)
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        for port in random.sample(below, len(below)):
            one = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == count:
                return found
    raise RuntimeError(f"no {count} free TCP ports between {below.start} and {below.stop}; end what listens there")


def api_ready(url: str, pki: Path) -> bool:
    """Whether the API server at `url` calls itself ready."""
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5, context=context) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _await_free(port: int) -> None:
    """A process that was killed holds its port until its last thread is gone; returns when it is free, or anyway."""
    deadline = time.monotonic() + _PORT_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return
        time.sleep(0.05)


def run_kubectl(kubeconfig: Path, *arguments: str, stdin: str | None = None) -> str:
    """Runs kubectl against the API server of `kubeconfig` and returns what it prints.

    Raises:
        RuntimeError: kubectl failed; the message is its own.
    """
    program = Binaries.default().ensure("kubectl")["kubectl"]
    done = subprocess.run(
        [str(program), f"--kubeconfig={kubeconfig}", *arguments],
        input=stdin, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
