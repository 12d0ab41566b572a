"""Where the measurement happens: etcd and an API server, nodes by kwok, and the operator as a process of its own."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gharial_kube.client import Kube, KubeError

from gharial_cluster import processes
from gharial_cluster.binaries.store import Binaries
from gharial_cluster.control_plane import ControlPlane, free_ports
from gharial_cluster.files import write_atomically
from gharial_cluster.kubeconfig import write_token_kubeconfig
from gharial_cluster.paths import ClusterPaths, checkout_root
from gharial_cluster.scale import manifests

_METRIC = "apiserver_flowcontrol_dispatched_requests_total"
_METRICS_LIMIT = 1 << 26
_WRITTEN = "apiserver_request_total"
_WRITES = ('verb="POST"', 'verb="PUT"', 'verb="PATCH"', 'verb="DELETE"')
#: What the operator writes; of these nobody else writes anything but reports of agents.
_ITS_OBJECTS = (
    'group="asr.gharial.dev"',
    *(
        f'resource="{name}"'
        for name in (
            "deployments",
            "events",
            "poddisruptionbudgets",
            "resourceclaimtemplates",
            "serviceaccounts",
            "services",
        )
    ),
)


@dataclass(frozen=True)
class Stand:
    """A running stand. operator: its process; requests are counted by the API server."""

    plane: ControlPlane
    kube: Kube
    operator: "subprocess.Popen[bytes]"
    log: Path

    def requests(self) -> int:
        """How many requests of the operator the API server has served; a watch is one."""
        lines = self.kube.text("/metrics", _METRICS_LIMIT).splitlines()
        ours = [line for line in lines if line.startswith(_METRIC) and f'flow_schema="{manifests.ACCOUNT}"' in line]
        return int(sum(float(line.rsplit(" ", 1)[1]) for line in ours))

    def writes(self) -> int:
        """How many writes of the objects that are the operator's to write the API server has served."""
        return int(
            sum(
                float(line.rsplit(" ", 1)[1])
                for line in self.kube.text("/metrics", _METRICS_LIMIT).splitlines()
                if line.startswith(_WRITTEN)
                and any(verb in line for verb in _WRITES)
                and any(part in line for part in _ITS_OBJECTS)
            )
        )

    def memory_mb(self, field: str = "VmRSS") -> float:
        """Memory of the operator: resident now, or at most (VmHWM), in MB (10^6 bytes)."""
        self.check()
        lines = Path(f"/proc/{self.operator.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024 / 1e6

    def cpu_seconds(self) -> float:
        """Processor time of the operator so far."""
        self.check()
        fields = Path(f"/proc/{self.operator.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def check(self) -> None:
        """Raises RuntimeError when the operator has ended."""
        if self.operator.poll() is not None:
            raise RuntimeError(f"the operator ended ({self.operator.returncode}):\n{processes.tail(self.log)}")


@contextlib.contextmanager
def standing(folder: Path) -> Iterator[Stand]:
    """A stand below `folder`; everything ends with the block.

    Raises:
        RuntimeError: a part did not start; the message holds the end of its log.
    """
    root = checkout_root()
    if not (root / "charts" / "gharial").is_dir():
        raise RuntimeError("the chart is not here: run `gharial bench control-plane` in a checkout of Gharial")
    programs = Binaries.default().ensure("helm", "kwok")
    with contextlib.ExitStack() as stack:
        plane = stack.enter_context(ControlPlane(ClusterPaths(folder / "plane")).running())
        kube = Kube(plane.kubeconfig)
        _install(plane, programs["helm"], root, kube)
        stages = folder / "stages.yaml"
        write_atomically(stages, manifests.kwok_stages())
        kwok = [str(programs["kwok"]), "--kubeconfig", str(plane.kubeconfig), "--config", str(stages)]
        kwok += ["--v=WARN", "--manage-all-nodes", "--node-lease-duration-seconds", "40"]
        stack.enter_context(_running(kwok, folder / "kwok.log", {}))
        kubeconfig = _operator_kubeconfig(plane, folder)
        port = free_ports(1)[0]
        command = [sys.executable, "-m", "gharial_cli", "operator", "--http-port", str(port), "--identity", "measured"]
        sources = os.pathsep.join(str(root / name) for name in ("cli", "operator", "server"))
        log = folder / "operator.log"
        environment = {"KUBECONFIG": str(kubeconfig), "PYTHONPATH": sources}
        operator = stack.enter_context(_running(command, log, environment))
        stand = Stand(plane, kube, operator, log)
        await_until(lambda: _answers(port), 60, stand.check, "the operator is not ready")
        await_until(
            lambda: stand.requests() > 0, 60, stand.check, "the API server does not count the operator's requests"
        )
        yield stand


def await_until(check: Callable[[], bool], seconds: float, alive: Callable[[], None], trouble: str) -> None:
    """Waits until `check` is true; raises RuntimeError with the trouble after so many seconds."""
    deadline = time.monotonic() + seconds
    while not check():
        alive()
        if time.monotonic() > deadline:
            raise RuntimeError(f"{trouble} after {seconds:.0f} s")
        time.sleep(0.1)


def _install(plane: ControlPlane, helm: Path, root: Path, kube: Kube) -> None:
    """The CRDs, the operator's account with the chart's rights, and what counts its requests."""
    chart = [str(helm), "template", "gharial", str(root / "charts" / "gharial"), "--namespace", manifests.SYSTEM]
    rights = subprocess.run(
        [*chart, "--show-only", "templates/operator-rbac.yaml"], capture_output=True, text=True, check=True
    ).stdout
    plane.kubectl("apply", "--server-side", "-f", str(root / "crds"))
    plane.kubectl("create", "namespace", manifests.SYSTEM)
    plane.kubectl("apply", "-f", "-", stdin=rights)
    kube.create("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas", manifests.flow_schema())
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")


def _operator_kubeconfig(plane: ControlPlane, folder: Path) -> Path:
    token = plane.kubectl("-n", manifests.SYSTEM, "create", "token", manifests.ACCOUNT, "--duration=2h").strip()
    path = folder / "operator.kubeconfig"
    write_token_kubeconfig(path, plane.server, plane.paths.pki, manifests.ACCOUNT, token)
    return path


@contextlib.contextmanager
def _running(command: list[str], log: Path, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("ab") as output, tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=home
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def count(kube: Kube, path: str) -> int:
    """How many objects a collection has."""
    try:
        page = kube.get(path, limit="1")
    except KubeError as error:
        if error.status == 404:
            return 0
        raise
    return len(page.get("items") or []) + int(page["metadata"].get("remainingItemCount", 0))
