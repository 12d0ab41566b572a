"""The programs of the box, their versions and where they come from."""

from dataclasses import dataclass

GO_VERSION = "1.26.6"
KUBERNETES_VERSION = "1.36.3"
ETCD_VERSION = "3.6.8"
CONTAINERD_VERSION = "2.4.2"
COREDNS_VERSION = "1.15.0"
HELM_VERSION = "4.2.4"
ENVOY_GATEWAY_VERSION = "1.9.1"
ENVOY_VERSION = "1.40.0"


@dataclass(frozen=True)
class Program:
    """One program of the cache: `bin/<component>-<version>/<name>`."""

    name: str
    component: str
    version: str
    package: str = ""  # the Go package that builds it

    @property
    def location(self) -> str:
        """Its path below the cache's bin folder."""
        return f"{self.component}-{self.version}/{self.name}"


def _kubernetes(name: str) -> Program:
    return Program(name, "kubernetes", KUBERNETES_VERSION, f"k8s.io/kubernetes/cmd/{name}")


PROGRAMS: dict[str, Program] = {
    program.name: program
    for program in (
        _kubernetes("kube-apiserver"),
        _kubernetes("kube-controller-manager"),
        _kubernetes("kube-scheduler"),
        _kubernetes("kubelet"),
        _kubernetes("kube-proxy"),
        _kubernetes("kubectl"),
        Program("etcd", "etcd", ETCD_VERSION, "./etcd"),
        Program("containerd", "containerd", CONTAINERD_VERSION, "./cmd/containerd"),
        Program("containerd-shim-runc-v2", "containerd", CONTAINERD_VERSION, "./cmd/containerd-shim-runc-v2"),
        Program("ctr", "containerd", CONTAINERD_VERSION, "./cmd/ctr"),
        Program("coredns", "coredns", COREDNS_VERSION, "./coredns"),
        Program("helm", "helm", HELM_VERSION, "helm.sh/helm/v4/cmd/helm"),
        Program(
            "envoy-gateway", "envoy-gateway", ENVOY_GATEWAY_VERSION, "github.com/envoyproxy/gateway/cmd/envoy-gateway"
        ),
        Program("pause", "pause", "1", "./pause"),
        Program("envoy", "envoy", ENVOY_VERSION),
    )
}
