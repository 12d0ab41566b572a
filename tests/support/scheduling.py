"""Kubernetes' own scheduler and controllers beside the tests' API server: Deployments become pods, pods get nodes."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from gharial_cluster.binaries.store import Binaries
from gharial_cluster.control_plane import free_ports

#: Deployments, their pods, the claims that pods are to have, and the end of what has lost its owner.
CONTROLLERS = "deployment-controller,replicaset-controller,resourceclaim-controller,garbage-collector-controller"


@contextlib.contextmanager
def scheduling(kubeconfig: Path, folder: Path) -> Iterator[None]:
    """Both run on entry and are gone on exit; their logs lie in the folder."""
    programs = Binaries.default().ensure("kube-scheduler", "kube-controller-manager")
    with contextlib.ExitStack() as stack:
        for name, more in (("kube-scheduler", []), ("kube-controller-manager", [f"--controllers={CONTROLLERS}"])):
            flags = [f"--{kind}kubeconfig={kubeconfig}" for kind in ("", "authentication-", "authorization-")]
            flags += ["--bind-address=127.0.0.1", f"--secure-port={free_ports(1)[0]}", "--leader-elect=false"]
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen([str(programs[name]), *flags, *more], stdout=log, stderr=log, cwd=folder)
            stack.callback(_end, process)
        yield


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
