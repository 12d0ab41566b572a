"""The machines of a cluster: pure functions from addresses and folders to complete machine plans."""

from dataclasses import dataclass
from pathlib import Path

from gharial_cluster import control_plane_plan as control_plane
from gharial_cluster import node_plan
from gharial_cluster.binaries.recipes import PROGRAMS
from gharial_cluster.certificates import Subject
from gharial_cluster.machine_plan import BOX_BIN, BOX_MACHINE, BOX_PKI, MachinePlan, Route
from gharial_cluster.network_plan import CONTROL_PLANE, NODES, NetworkPlan
from gharial_cluster.paths import ClusterPaths

API_PORT = 6443
_CONTAINERD = f"{BOX_BIN}/{Path(PROGRAMS['containerd'].location).parent}"


@dataclass(frozen=True)
class Topology:
    """One cluster's machines, all that follows from its folder and its addresses."""

    paths: ClusterPaths
    network: NetworkPlan
    bin: Path  # the cache's programs
    containers: Path  # one folder per node below it outlives the cluster: images and their unpacked layers

    @property
    def cgroup(self) -> str:
        """The cluster's folder in every cgroup hierarchy."""
        return f"/gharial-{self.network.device.removeprefix('gh-')}"

    @property
    def control_plane(self) -> control_plane.ControlPlanePlan:
        """The control plane as its machine sees it."""
        return control_plane.ControlPlanePlan(
            pki=Path(BOX_PKI),
            etcd_data=Path("/var/lib/etcd"),
            kubeconfigs=Path(BOX_MACHINE),
            address=self.network.control_plane,
            port=API_PORT,
            etcd_port=2379,
            etcd_peer_port=2380,
            pod_range=self.network.pod_range,
        )

    @property
    def node_subjects(self) -> tuple[Subject, ...]:
        """Whom the kubelets' certificates name."""
        return tuple(
            Subject(f"system:node:{name}", "system:nodes", hosts=(name, self.network.node(name))) for name in NODES
        )

    def node(self, name: str) -> node_plan.NodePlan:
        """The plan of one node."""
        return node_plan.NodePlan(
            name=name,
            address=self.network.node(name),
            pods=self.network.pods_of(name),
            all_pods=self.network.pod_range,
            cgroup=f"{self.cgroup}/{name}",
        )

    def control_plane_machine(self) -> MachinePlan:
        """The machine with etcd, API server, controllers, scheduler, and the switch."""
        plan = self.control_plane
        program = {name: Path(BOX_BIN, PROGRAMS[name].location) for name in PROGRAMS}
        return MachinePlan(
            name=CONTROL_PLANE,
            address=f"{self.network.control_plane}/24",
            bin=str(self.bin),
            folder=str(self.paths.machine(CONTROL_PLANE)),
            pki=str(self.paths.pki),
            cgroup=f"{self.cgroup}/{CONTROL_PLANE}",
            bridge=True,
            routes=tuple(Route(self.network.pods_of(node), self.network.node(node)) for node in NODES),
            services=(
                control_plane.etcd(plan, program["etcd"]),
                control_plane.api_server(plan, program["kube-apiserver"]),
                control_plane.controller_manager(plan, program["kube-controller-manager"]),
                control_plane.scheduler(plan, program["kube-scheduler"]),
            ),
        )

    def node_machine(self, name: str) -> MachinePlan:
        """The machine of one node."""
        routes = [Route(self.network.pods_of(other), self.network.node(other)) for other in NODES if other != name]
        # The node's own processes call Services too: without a route the kernel gives up before kube-proxy's rules.
        routes.append(Route(control_plane.SERVICE_RANGE, self.network.control_plane))
        return MachinePlan(
            name=name,
            address=f"{self.network.node(name)}/24",
            bin=str(self.bin),
            folder=str(self.paths.machine(name)),
            pki=str(self.paths.pki),
            cgroup=f"{self.cgroup}/{name}",
            containers=str(self.containers / name),
            routes=tuple(routes),
            path=(_CONTAINERD,),
            services=node_plan.services(
                self.node(name), {key: PROGRAMS[key].location for key in ("containerd", "kubelet", "kube-proxy")}
            ),
        )
