"""What a node runs and how it is configured: pure functions to texts and command lines."""

import json
from dataclasses import dataclass
from pathlib import Path

from gharial_cluster.binaries.recipes import PAUSE_VERSION
from gharial_cluster.control_plane_plan import CLUSTER_DOMAIN, SERVICE_OF_DNS
from gharial_cluster.machine_plan import BOX_BIN, BOX_MACHINE, BOX_PKI
from gharial_cluster.services import Service

PAUSE_IMAGE = f"gharial.local/pause:{PAUSE_VERSION}"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
# Written when a node's containers of an earlier life are gone and its base images are there.
RELEASE = f"{BOX_MACHINE}/released"


@dataclass(frozen=True)
class NodePlan:
    """One node: its name and addresses, and its place in the cgroup hierarchies."""

    name: str
    address: str
    pods: str  # its share of the pods' range
    all_pods: str
    cgroup: str


def files(plan: NodePlan) -> dict[str, str]:
    """Path below the machine's folder -> content, of everything that the node's services read."""
    return {
        "containerd.toml": containerd_config(),
        "kubelet.json": json.dumps(kubelet_config(plan), indent=1),
        "kube-proxy.json": json.dumps(kube_proxy_config(plan), indent=1),
        "etc/upper/cni/net.d/10-box.conflist": json.dumps(cni_config(plan), indent=1),
    }


def services(plan: NodePlan, programs: dict[str, str]) -> tuple[Service, ...]:
    """containerd, kubelet and kube-proxy; `programs` maps their names to paths below the cache's bin folder."""
    return (
        Service("containerd", (f"{BOX_BIN}/{programs['containerd']}", "--config", f"{BOX_MACHINE}/containerd.toml")),
        Service(
            "kubelet",
            (
                f"{BOX_BIN}/{programs['kubelet']}",
                f"--config={BOX_MACHINE}/kubelet.json",
                f"--kubeconfig={BOX_MACHINE}/kubelet.conf",
                f"--hostname-override={plan.name}",
                f"--node-ip={plan.address}",
            ),
            after=(CONTAINERD_SOCKET, RELEASE),
        ),
        Service(
            "kube-proxy",
            (f"{BOX_BIN}/{programs['kube-proxy']}", f"--config={BOX_MACHINE}/kube-proxy.json"),
            after=(RELEASE,),
        ),
    )


def containerd_config() -> str:
    """containerd with its CRI plugin.

    A container never asks for a better place before the kernel's memory killer than containerd has: that
    would need a capability which machines in a sandbox lack.
    """
    images, runtime = "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"
    return f"""version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]

[grpc]
address = "{CONTAINERD_SOCKET}"

[plugins."{images}"]
snapshotter = "overlayfs"
[plugins."{images}".pinned_images]
sandbox = "{PAUSE_IMAGE}"

[plugins."{runtime}"]
restrict_oom_score_adj = true
[plugins."{runtime}".cni]
bin_dirs = ["/usr/lib/cni"]
conf_dir = "/etc/cni/net.d"
[plugins."{runtime}".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."{runtime}".containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def kubelet_config(plan: NodePlan) -> dict[str, object]:
    """The kubelet; it neither deletes images nor evicts pods before the disk is really full."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": plan.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{BOX_PKI}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{BOX_PKI}/{plan.name}.crt",
        "tlsPrivateKeyFile": f"{BOX_PKI}/{plan.name}.key",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": plan.cgroup,
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [SERVICE_OF_DNS],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": "/etc/resolv.conf",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "eventRecordQPS": 50,
        # A pod whose cards could not be prepared, because the agent was just away, is tried again after so long.
        "syncFrequency": "10s",
    }


def kube_proxy_config(plan: NodePlan) -> dict[str, object]:
    """kube-proxy with nftables; connection tracking keeps the host's limits."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": plan.name,
        "clusterCIDR": plan.all_pods,
        "metricsBindAddress": "127.0.0.1:10249",
        "clientConnection": {"kubeconfig": f"{BOX_MACHINE}/kube-proxy.conf"},
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "nftables": {"minSyncPeriod": "200ms"},
    }


def cni_config(plan: NodePlan) -> dict[str, object]:
    """Pods on a bridge of the node's own; a route leads to the other node's pods, so addresses stay as they are."""
    return {
        "cniVersion": "1.0.0",
        "name": "box",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                "ipMasq": False,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": plan.pods}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def node_object(plan: NodePlan) -> dict[str, object]:
    """The Node as it is made before the kubelet comes, so that its share of the pods' range is ours to say."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": plan.name, "labels": {"kubernetes.io/hostname": plan.name}},
        "spec": {"podCIDR": plan.pods, "podCIDRs": [plan.pods]},
    }


def write_files(plan: NodePlan, folder: Path) -> None:
    """Writes `files` below the machine's folder."""
    for name, content in files(plan).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
