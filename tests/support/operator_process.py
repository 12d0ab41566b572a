"""The operator as a process of its own, under its own ServiceAccount and nothing but the chart's rules."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from api_server import ROOT, Api, eventually
from gharial_cluster.control_plane import free_ports, run_kubectl

NAMESPACE = "gharial-system"
ACCOUNT = "gharial-operator"


def operator_kubeconfig(api: Api, folder: Path) -> Path:
    """Makes the operator's account with the rights that the chart gives it, and a kubeconfig with its token."""
    rules = ROOT / "charts" / "gharial" / "files"
    cluster = yaml.safe_load((rules / "operator-cluster-rules.yaml").read_text())
    own = yaml.safe_load((rules / "operator-namespace-rules.yaml").read_text())
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    here = f"{rbac}/namespaces/{NAMESPACE}"
    group = "rbac.authorization.k8s.io"
    subjects = [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}]

    def put(root: str, plural: str, api_version: str, kind: str, **parts: Any) -> None:
        body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": ACCOUNT}, **parts}
        api.apply(f"{root}/{plural}/{ACCOUNT}", body)

    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    api.apply(f"/api/v1/namespaces/{NAMESPACE}", namespace)
    put(f"/api/v1/namespaces/{NAMESPACE}", "serviceaccounts", "v1", "ServiceAccount")
    version = f"{group}/v1"
    for root, place, kind, rights in ((rbac, "clusterroles", "ClusterRole", cluster), (here, "roles", "Role", own)):
        put(root, place, version, kind, rules=rights)
        reference = {"apiGroup": group, "kind": kind, "name": ACCOUNT}
        put(root, f"{kind.lower()}bindings", version, f"{kind}Binding", roleRef=reference, subjects=subjects)
    token = run_kubectl(api.kubeconfig, "-n", NAMESPACE, "create", "token", ACCOUNT, "--duration=2h").strip()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "operator",
        "contexts": [{"name": "operator", "context": {"cluster": "box", "user": "operator"}}],
        "clusters": [{"name": "box", "cluster": {"server": api.server, "certificate-authority": str(api.authority)}}],
        "users": [{"name": "operator", "user": {"token": token}}],
    }
    path = folder / "operator.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@dataclass
class Operator:
    """One operator process."""

    kubeconfig: Path
    log: Path
    identity: str = "operator-a"
    lease_seconds: float = 2.0
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> "Operator":
        """Starts it, without waiting."""
        self.port = free_ports(1)[0]
        argv = [sys.executable, "-m", "gharial_cli", "operator", "--http-port", str(self.port)]
        argv += ["--identity", self.identity, "--lease-seconds", str(self.lease_seconds), "--debug"]
        sources = os.pathsep.join(str(ROOT / name) for name in ("cli", "operator", "server"))
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PYTHONPATH": sources, **self.environment}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log, cwd=self.log.parent)
        return self

    def ready(self) -> "Operator":
        """Waits until it watches."""
        eventually(lambda: self._answers("/readyz"))
        return self

    def wait(self, seconds: float = 30.0) -> int:
        """Waits until it ends by itself; returns its exit status."""
        assert self.process is not None
        return self.process.wait(seconds)

    def stop(self, number: int = signal.SIGTERM) -> int | None:
        """Ends it; SIGTERM lets it give the lease back, SIGKILL does not."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(20)
        finally:
            self.process = None

    def metric(self, name: str) -> float:
        """Sum of a metric's samples."""
        lines = httpx.get(f"http://127.0.0.1:{self.port}/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def fleet(self) -> dict[str, Any]:
        """What it tells of the fleet."""
        told: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self.port}/fleet").raise_for_status().json()
        return told

    def _answers(self, path: str) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the operator ended:\n{self.log.read_text()[-3000:]}")
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}").status_code == 200
        except httpx.TransportError:
            return False
