"""What the control plane runs: pure functions from addresses and folders to command lines."""

from dataclasses import dataclass
from pathlib import Path

from gharial_cluster.services import Service

SERVICE_RANGE = "10.96.0.0/16"
SERVICE_OF_API_SERVER = "10.96.0.1"
SERVICE_OF_DNS = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"
ISSUER = f"https://kubernetes.default.svc.{CLUSTER_DOMAIN}"


@dataclass(frozen=True)
class ControlPlanePlan:
    """Where the parts of one control plane listen and keep their files."""

    pki: Path
    etcd_data: Path
    kubeconfigs: Path  # folder with controller-manager.conf and scheduler.conf
    address: str  # the API server's
    port: int
    etcd_port: int
    etcd_peer_port: int
    pod_range: str = ""  # empty: no nodes, so no controllers and no scheduler either

    @property
    def url(self) -> str:
        """The API server's URL."""
        return f"https://{self.address}:{self.port}"

    @property
    def server_hosts(self) -> tuple[str, ...]:
        """Every name under which the API server is called."""
        names = (
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            f"kubernetes.default.svc.{CLUSTER_DOMAIN}",
        )
        return (*names, "localhost", "127.0.0.1", SERVICE_OF_API_SERVER, self.address)


def etcd(plan: ControlPlanePlan, program: Path) -> Service:
    """etcd, without fsync: the box's data lives no longer than the box."""
    pki = plan.pki
    peer = f"http://127.0.0.1:{plan.etcd_peer_port}"
    client = f"https://127.0.0.1:{plan.etcd_port}"
    options = {
        "name": "box",
        "data-dir": plan.etcd_data,
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"box={peer}",
        "cert-file": pki / "etcd.crt",
        "key-file": pki / "etcd.key",
        "client-cert-auth": "true",
        "trusted-ca-file": pki / "etcd-ca.crt",
        "unsafe-no-fsync": "true",
        "log-level": "warn",
    }
    return Service("etcd", (str(program), *_flags(options)))


def api_server(plan: ControlPlanePlan, program: Path) -> Service:
    """The API server, with the node authorizer and RBAC."""
    pki = plan.pki
    options = {
        "advertise-address": plan.address,
        "bind-address": plan.address,
        "secure-port": plan.port,
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "anonymous-auth": "false",
        "allow-privileged": "true",
        "client-ca-file": pki / "ca.crt",
        "tls-cert-file": pki / "apiserver.crt",
        "tls-private-key-file": pki / "apiserver.key",
        "etcd-servers": f"https://127.0.0.1:{plan.etcd_port}",
        "etcd-cafile": pki / "etcd-ca.crt",
        "etcd-certfile": pki / "apiserver-etcd-client.crt",
        "etcd-keyfile": pki / "apiserver-etcd-client.key",
        "kubelet-certificate-authority": pki / "ca.crt",
        "kubelet-client-certificate": pki / "apiserver-kubelet-client.crt",
        "kubelet-client-key": pki / "apiserver-kubelet-client.key",
        "kubelet-preferred-address-types": "InternalIP",
        "service-account-issuer": ISSUER,
        "service-account-key-file": pki / "service-accounts.pub",
        "service-account-signing-key-file": pki / "service-accounts.key",
        "service-cluster-ip-range": SERVICE_RANGE,
        "requestheader-client-ca-file": pki / "front-proxy-ca.crt",
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "proxy-client-cert-file": pki / "front-proxy-client.crt",
        "proxy-client-key-file": pki / "front-proxy-client.key",
        # No proxy for Services runs beside the API server: it calls webhooks and aggregated APIs at their pods.
        "enable-aggregator-routing": "true",
        "profiling": "false",
    }
    return Service("kube-apiserver", (str(program), *_flags(options)))


def controller_manager(plan: ControlPlanePlan, program: Path) -> Service:
    """The controllers, among them the one that gives each node its share of the pods' range."""
    pki = plan.pki
    options = {
        "kubeconfig": plan.kubeconfigs / "controller-manager.conf",
        "authentication-kubeconfig": plan.kubeconfigs / "controller-manager.conf",
        "authorization-kubeconfig": plan.kubeconfigs / "controller-manager.conf",
        "bind-address": "127.0.0.1",
        "allocate-node-cidrs": "true",
        "cluster-cidr": plan.pod_range,
        "node-cidr-mask-size": 25,
        "service-cluster-ip-range": SERVICE_RANGE,
        "root-ca-file": pki / "ca.crt",
        "cluster-signing-cert-file": pki / "ca.crt",
        "cluster-signing-key-file": pki / "ca.key",
        "service-account-private-key-file": pki / "service-accounts.key",
        "requestheader-client-ca-file": pki / "front-proxy-ca.crt",
        "use-service-account-credentials": "true",
        "leader-elect": "false",
        "profiling": "false",
        # A node of the box is a few processes: notice its power cut in seconds, not in the default 40 s.
        "node-monitor-grace-period": "20s",
    }
    return Service("kube-controller-manager", (str(program), *_flags(options)))


def scheduler(plan: ControlPlanePlan, program: Path) -> Service:
    """The scheduler."""
    options = {
        "kubeconfig": plan.kubeconfigs / "scheduler.conf",
        "authentication-kubeconfig": plan.kubeconfigs / "scheduler.conf",
        "authorization-kubeconfig": plan.kubeconfigs / "scheduler.conf",
        "bind-address": "127.0.0.1",
        "leader-elect": "false",
        "profiling": "false",
    }
    return Service("kube-scheduler", (str(program), *_flags(options)))


def _flags(options: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]
