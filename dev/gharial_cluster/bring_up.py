"""The steps from nothing to a cluster that works; each is harmless when it was done before."""

import json
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from gharial_cluster import image_stores, network, node_plan, preflight
from gharial_cluster.addons import coredns, envoy_gateway
from gharial_cluster.binaries.recipes import PROGRAMS
from gharial_cluster.binaries.store import Binaries
from gharial_cluster.box_images import ensure_box_images
from gharial_cluster.certificates import ensure_pki
from gharial_cluster.control_plane import api_ready
from gharial_cluster.kubeconfig import write_kubeconfig
from gharial_cluster.network_plan import CONTROL_PLANE, NODES
from gharial_cluster.node_images import load_image
from gharial_cluster.progress import Progress
from gharial_cluster.topology import API_PORT

if TYPE_CHECKING:
    from gharial_cluster.cluster import Cluster

_API_SECONDS = 60.0
_NODE_SECONDS = 90.0
_ADDON_SECONDS = 300.0
_TICK = 0.1


def bring_up(cluster: "Cluster", progress: Progress) -> None:
    """Runs all steps.

    Raises:
        RuntimeError: a step failed; the message says what to do, or shows the log.
    """
    progress.expect("check", "Look at the machine", 1)
    progress.expect("control plane", "Start the control plane", 6)
    progress.expect("nodes", "Start two nodes", 6)
    progress.expect("images", "Bring the cluster's own images to the nodes", 20)
    progress.expect("ready", "Wait for nodes, names and the gateway", 20)
    binaries = Binaries.default()
    with progress.stage("check"):
        for name in image_stores.prune():
            progress.note(f"removing the nodes' images of {name}, whose checkout is gone; this can take minutes")
        image_stores.claim(cluster.name)
        preflight.check(progress, building=bool(binaries.missing(*PROGRAMS)))
    binaries.ensure(*PROGRAMS, progress=progress)
    archives = ensure_box_images(binaries)
    with progress.stage("control plane"):
        start_control_plane(cluster)
    with progress.stage("nodes"):
        register_nodes(cluster)
        for node in NODES:
            switch_on_node(cluster, node)
        gateway = ThreadPoolExecutor(max_workers=1).submit(install_addons, cluster, binaries)
    with progress.stage("images"):
        for archive in archives.values():
            load_image([cluster.machine(node) for node in NODES], archive)
        for node in NODES:
            (cluster.machine(node).folder / "released").write_text("")
    with progress.stage("ready"):
        gateway.result()
        await_ready(cluster)


def start_control_plane(cluster: "Cluster") -> None:
    """The control plane's machine, the host's way to it, and the API."""
    topology = cluster.topology()
    paths, url = cluster.paths, topology.control_plane.url
    hosts = (*topology.control_plane.server_hosts, topology.network.control_plane)
    ensure_pki(paths.pki, hosts, topology.node_subjects)
    write_kubeconfig(paths.kubeconfig, url, paths.pki, "admin", cluster.name)
    machine = cluster.machine(CONTROL_PLANE)
    for identity in ("controller-manager", "scheduler"):
        write_kubeconfig(machine.folder / f"{identity}.conf", url, paths.pki, identity)
    machine.switch_on()
    machine.await_boot()
    network.plug_in_host(topology.network, machine)
    await_condition(
        lambda: api_ready(url, paths.pki),
        _API_SECONDS,
        lambda: f"the API server is not ready:\n{machine.service_log('kube-apiserver')}",
    )


def register_nodes(cluster: "Cluster") -> None:
    """Makes the Node objects that are missing, each with its share of the pods' range."""
    topology = cluster.topology()
    present = cluster.kubectl("get", "nodes", "--output=name").split()
    missing = [node_plan.node_object(topology.node(node)) for node in NODES if f"node/{node}" not in present]
    if missing:
        document = {"apiVersion": "v1", "kind": "List", "items": missing}
        cluster.kubectl("create", "--filename=-", stdin=json.dumps(document))


def switch_on_node(cluster: "Cluster", node: str, reboot: bool = False) -> None:
    """One node's machine with its configuration, on the cluster's network; a `reboot` finds the power as it was."""
    topology, machine = cluster.topology(), cluster.machine(node)
    if machine.power is None:
        if not (reboot and machine.power_id.exists()):
            machine.forget_power()
        node_plan.write_files(topology.node(node), machine.folder)
        server = f"https://{topology.network.control_plane}:{API_PORT}"
        write_kubeconfig(machine.folder / "kubelet.conf", server, cluster.paths.pki, node)
        write_kubeconfig(machine.folder / "kube-proxy.conf", server, cluster.paths.pki, "kube-proxy")
    machine.switch_on()
    network.plug_in(machine, cluster.machine(CONTROL_PLANE))
    machine.await_boot()
    await_condition(
        lambda: _answers(machine.enter_command(["ctr", "version"])),
        _NODE_SECONDS,
        lambda: f"containerd of {node} does not answer:\n{machine.service_log('containerd')}",
    )


def install_addons(cluster: "Cluster", binaries: Binaries) -> None:
    """CoreDNS, and Envoy Gateway by its own chart."""
    cluster.kubectl("apply", "--server-side", "--filename=-", stdin=coredns.manifests())
    programs = binaries.ensure("helm", "envoy-gateway")
    chart = programs["envoy-gateway"].parent / "chart"
    installed = json.loads(
        _helm(programs["helm"], cluster, "list", "--namespace", envoy_gateway.NAMESPACE, "--output=json", "--deployed")
    )
    if not any(release["name"] == envoy_gateway.RELEASE for release in installed):
        _helm(
            programs["helm"], cluster, "upgrade", "--install", envoy_gateway.RELEASE, str(chart),
            "--namespace", envoy_gateway.NAMESPACE, "--create-namespace", "--server-side=true", "--values=-",
            stdin=json.dumps(envoy_gateway.chart_values()),
        )  # fmt: skip
    cluster.kubectl("apply", "--server-side", "--filename=-", stdin=envoy_gateway.gateway_class())


def await_ready(cluster: "Cluster") -> None:
    """Returns when both nodes are Ready and names and gateway controller are available."""
    seconds = int(_ADDON_SECONDS)
    cluster.kubectl("wait", "node", *NODES, "--for=condition=Ready", f"--timeout={seconds}s")
    cluster.kubectl(
        "wait", "deployment/coredns", "--namespace=kube-system", "--for=condition=Available", f"--timeout={seconds}s"
    )
    cluster.kubectl(
        "wait", "deployment/envoy-gateway", f"--namespace={envoy_gateway.NAMESPACE}",
        "--for=condition=Available", f"--timeout={seconds}s",
    )  # fmt: skip
    cluster.kubectl("wait", "gatewayclass/gharial", "--for=condition=Accepted", f"--timeout={seconds}s")


def await_condition(condition: Callable[[], bool], seconds: float, explain: Callable[[], str]) -> None:
    """Returns when `condition` holds.

    Raises:
        RuntimeError: it did not within `seconds`; `explain` says why.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(explain())
        time.sleep(_TICK)


def _answers(argv: list[str]) -> bool:
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def _helm(program: Path, cluster: "Cluster", *arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        [str(program), f"--kubeconfig={cluster.kubeconfig}", *arguments],
        input=stdin, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"helm {arguments[0]}: {done.stderr.strip()}")
    return done.stdout
