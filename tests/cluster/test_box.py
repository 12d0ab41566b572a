"""The cluster of the session, and a second one beside it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from gharial_cluster.cluster import Cluster, running_machines
from gharial_cluster.network_plan import CONTROL_PLANE, NODES

pytestmark = pytest.mark.cluster

# Asks the DNS service for the API server's address, from wherever it runs.
ASK = """
import socket
query = b"\\0\\7\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0"
for part in "kubernetes.default.svc.cluster.local".split("."):
    query += bytes([len(part)]) + part.encode()
query += b"\\0\\0\\1\\0\\1"
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
    asked.settimeout(5)
    asked.sendto(query, ("10.96.0.10", 53))
    print(".".join(str(byte) for byte in asked.recv(512)[-4:]))
"""


def gharial(*words: str) -> list[str]:
    return [sys.executable, "-m", "gharial_cli", "cluster", *words]


def environment() -> dict[str, str]:
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def eventually(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_ready(cluster: Cluster, node: str) -> bool:
    path = "--output=jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    return cluster.kubectl("get", "node", node, path) == "True"


def test_status_says_that_everything_is_up_for_people_and_for_machines(cluster: Cluster) -> None:
    words = gharial("status", "--name", cluster.name)
    done = subprocess.run([*words, "--json"], env=environment(), capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert answer["up"] and set(answer["machines"]) == {CONTROL_PLANE, *NODES}
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=True)
    assert all(node in done.stdout for node in NODES)


@pytest.mark.parametrize("separator", [[], ["--"]])
def test_kubectl_reaches_the_cluster_with_its_own_kubeconfig(cluster: Cluster, separator: list[str]) -> None:
    words = gharial("kubectl", "--name", cluster.name, *separator, "get", "nodes", "--output=name")
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"node/{node}" for node in NODES]


def test_kubectl_on_a_cluster_that_is_down_says_how_to_start_it() -> None:
    words = gharial("kubectl", "--name", "never-started", "get", "nodes")
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "gharial cluster up" in done.stderr


def test_the_gateway_class_is_accepted_and_dynamic_resource_allocation_is_served(cluster: Cluster) -> None:
    assert cluster.kubectl("get", "gatewayclass", "gharial", "--output=jsonpath={.spec.controllerName}")
    assert "resourceslices" in cluster.kubectl("api-resources", "--api-group=resource.k8s.io", "--output=name")


def test_a_node_is_a_machine_of_its_own(cluster: Cluster) -> None:
    for node in NODES:
        assert cluster.node_exec(node, ["hostname"]).strip() == node
        cluster.node_exec(node, ["sh", "-c", f"mkdir -p /var/lib/gharial && echo {node} > /var/lib/gharial/whose"])
    for node in NODES:
        assert cluster.node_exec(node, ["cat", "/var/lib/gharial/whose"]).strip() == node
        assert "kubelet" in cluster.node_exec(node, ["sh", "-c", "cat /proc/[0-9]*/comm"])
    assert not Path("/var/lib/gharial/whose").exists()


def test_cluster_names_resolve_on_every_node_through_the_service_address(cluster: Cluster) -> None:
    for node in NODES:
        assert cluster.node_exec(node, ["/usr/bin/env", "python3", "-c", ASK]).strip() == "10.96.0.1"


def test_an_error_on_a_node_says_what_the_program_said(cluster: Cluster) -> None:
    with pytest.raises(RuntimeError, match=r"node-a: .*no-such-folder"):
        cluster.node_exec("node-a", ["ls", "/no-such-folder"])


def test_up_again_starts_nothing_anew(cluster: Cluster) -> None:
    before = running_machines(cluster)
    cluster.up()
    assert running_machines(cluster) == before


def hardware_addresses(cluster: Cluster) -> dict[str, str]:
    """What the neighbours of each machine remember: the Ethernet address of its interface."""
    found = {}
    for name, device in ((CONTROL_PLANE, "switch"), *((node, "eth0") for node in NODES)):
        found[name] = json.loads(cluster.machine(name).run(["ip", "-json", "link", "show", device]))[0]["address"]
    return found


def power_id(cluster: Cluster, node: str) -> str:
    return cluster.node_exec(node, ["cat", "/run/gharial/power"])


def boot_id(cluster: Cluster, node: str) -> str:
    """What the kubelet tells, once it tells what the machine says itself."""
    inside = cluster.node_exec(node, ["cat", "/proc/sys/kernel/random/boot_id"]).strip()
    path = "--output=jsonpath={.status.nodeInfo.bootID}"
    eventually(lambda: cluster.kubectl("get", "node", node, path) == inside)
    return inside


def test_a_reboot_changes_no_hardware_address_so_no_neighbour_sends_into_the_void(cluster: Cluster) -> None:
    before = hardware_addresses(cluster)
    assert len(set(before.values())) == 3
    cluster.restart_node("node-b")
    assert hardware_addresses(cluster) == before
    eventually(lambda: is_ready(cluster, "node-b"))


def test_a_reboot_gives_a_machine_another_boot_id_and_leaves_its_power_id(cluster: Cluster) -> None:
    boot, power = boot_id(cluster, "node-b"), power_id(cluster, "node-b")
    assert boot != boot_id(cluster, "node-a")
    cluster.restart_node("node-b")
    assert boot_id(cluster, "node-b") != boot
    assert power_id(cluster, "node-b") == power


def test_a_power_cycle_keeps_what_is_on_disk_and_forgets_what_is_not(cluster: Cluster) -> None:
    cluster.node_exec("node-b", ["sh", "-c", "mkdir -p /var/lib/gharial; touch /var/lib/gharial/kept /run/forgotten"])
    before, boot, power = running_machines(cluster), boot_id(cluster, "node-b"), power_id(cluster, "node-b")
    for word, on in (("power-off", False), ("power-on", True)):
        subprocess.run(gharial(word, "--name", cluster.name, "node-b"), env=environment(), check=True)
        assert (running_machines(cluster)["node-b"] is not None) == on
    assert running_machines(cluster)["node-a"] == before["node-a"]
    assert boot_id(cluster, "node-b") != boot
    assert power_id(cluster, "node-b") != power
    cluster.node_exec("node-b", ["test", "-e", "/var/lib/gharial/kept"])
    cluster.node_exec("node-b", ["test", "!", "-e", "/run/forgotten"])
    eventually(lambda: is_ready(cluster, "node-b"))
    cluster.kubectl("wait", "deployment/coredns", "-n", "kube-system", "--for=condition=Available", "--timeout=90s")


def test_up_switches_on_what_lost_its_power(cluster: Cluster) -> None:
    power = running_machines(cluster)["node-a"]
    assert power is not None
    os.kill(power.pid, signal.SIGKILL)
    eventually(lambda: running_machines(cluster)["node-a"] is None)
    status = subprocess.run(
        gharial("status", "--name", cluster.name), env=environment(), capture_output=True, check=False
    )
    assert status.returncode == 3
    cluster.up()
    assert running_machines(cluster)["node-a"] is not None
    assert is_ready(cluster, "node-a")


def residue(name: str) -> dict[str, list[str]]:
    """What the cluster called `name` could leave on the machine."""
    devices = sorted(path.name for path in Path("/sys/class/net").iterdir())
    mounts = sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    cgroups = sorted(str(path) for path in Path("/sys/fs/cgroup").glob("**/gharial-*") if path.parent.name != "gharial")
    processes = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"clusters/{name}/" in words:
            processes.append(words)
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout.splitlines()
    return {"devices": devices, "mounts": mounts, "cgroups": cgroups, "processes": processes, "routes": sorted(routes)}


def test_a_second_cluster_killed_while_it_starts_goes_on_and_leaves_nothing_when_it_goes(cluster: Cluster) -> None:
    second = Cluster.named(f"{cluster.name}-2")
    before = residue(second.name)
    try:
        starting = subprocess.Popen(
            gharial("up", "--name", second.name), env=environment(), stderr=subprocess.DEVNULL, start_new_session=True
        )
        eventually(lambda: second.paths.root.exists() and running_machines(second)[CONTROL_PLANE] is not None)
        starting.kill()
        starting.wait()
        second.up()
        assert second.node_ip("node-a") != cluster.node_ip("node-a")
        assert all(running_machines(second).values())
        assert is_ready(second, "node-a") and is_ready(cluster, "node-a")
        assert residue(second.name) != before
    finally:
        second.down()
    assert residue(second.name) == before
    assert not second.paths.root.exists()
    second.down()  # twice does no harm
