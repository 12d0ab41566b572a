"""Decisions of the box that need no cluster."""

from pathlib import Path

import pytest
from gharial_cluster import network_plan, preflight
from gharial_cluster.cluster import Cluster
from gharial_cluster.control_plane_plan import SERVICE_RANGE
from gharial_cluster.machine_plan import MachinePlan
from gharial_cluster.network_plan import NODES, NetworkPlan, choose
from gharial_cluster.paths import ClusterPaths, default_name, valid_name
from gharial_cluster.topology import Topology


def topology(name: str, number: int) -> Topology:
    return Topology(ClusterPaths(Path("/c") / name), NetworkPlan(number, f"gh-{name}"), Path("/bin"), Path("/n") / name)


def test_a_cluster_is_named_after_its_checkout_and_two_checkouts_differ() -> None:
    first, second = default_name(Path("/home/one/gharial")), default_name(Path("/home/two/gharial"))
    assert first.startswith("gharial-") and second.startswith("gharial-")
    assert first != second
    assert default_name(Path("/home/one/gharial")) == first


@pytest.mark.parametrize("folder", ["/", "/src/Ünïcode Folder!", "/src/" + "x" * 200])
def test_every_checkout_path_gives_a_valid_name(folder: str) -> None:
    assert valid_name(default_name(Path(folder)))


@pytest.mark.parametrize("name", ["", "Upper", "-x", "a/b", "..", "x" * 41])
def test_a_name_that_is_no_host_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a cluster"):
        Cluster.named(name)


def test_two_clusters_side_by_side_share_no_address_device_or_cgroup() -> None:
    one = choose("00002a", taken_numbers=[], host_networks=[])
    other = choose("01002a", taken_numbers=[one.number], host_networks=[])
    assert {one.network, one.pod_range, one.device}.isdisjoint({other.network, other.pod_range, other.device})
    assert topology("one", 1).cgroup != topology("other", 2).cgroup


def test_a_network_that_the_host_uses_is_passed_over() -> None:
    free = choose("00002a", taken_numbers=[], host_networks=["0.0.0.0/0", "10.213.42.0/24", "10.214.43.128/25"])
    assert free.number == 44


def test_no_free_network_names_the_remedy() -> None:
    with pytest.raises(RuntimeError, match="cluster down --name"):
        choose("00002a", taken_numbers=[], host_networks=["10.0.0.0/8"])


def test_nodes_halve_the_range_of_the_pods() -> None:
    plan = NetworkPlan(7, "gh-x")
    assert [plan.pods_of(node) for node in NODES] == ["10.214.7.0/25", "10.214.7.128/25"]
    with pytest.raises(ValueError, match="node-a and node-b"):
        plan.node("node-c")


def test_every_machine_knows_the_way_to_all_pods_that_are_not_its_own() -> None:
    box = topology("one", 1)
    for name, expected in ((NODES[0], {NODES[1]}), (NODES[1], {NODES[0]})):
        routes = {route.destination for route in box.node_machine(name).routes}
        assert routes == {SERVICE_RANGE, *(box.network.pods_of(other) for other in expected)}
    assert len(box.control_plane_machine().routes) == len(NODES)


def test_a_machine_plan_survives_its_way_to_init() -> None:
    for plan in (topology("one", 1).control_plane_machine(), topology("one", 1).node_machine(NODES[0])):
        assert MachinePlan.from_json(plan.to_json()) == plan


def test_the_api_server_is_known_by_every_name_and_address_under_which_it_is_called() -> None:
    hosts = topology("one", 9).control_plane.server_hosts
    assert {"10.213.9.2", "10.96.0.1", "kubernetes.default.svc"} <= set(hosts)


def test_a_full_disk_is_said_with_its_remedy() -> None:
    preflight.check_disk(free=20 * 2**30, needed=15 * 2**30, folder=Path("/cache"))
    with pytest.raises(RuntimeError, match=r"only 3\.0 GiB are free in /cache.*GHARIAL_CACHE"):
        preflight.check_disk(free=3 * 2**30, needed=15 * 2**30, folder=Path("/cache"))


def test_the_control_plane_has_an_address_that_no_node_has() -> None:
    plan = NetworkPlan(3, "gh-x")
    addresses = [plan.host, plan.control_plane, *(plan.node(node) for node in NODES)]
    assert len(set(addresses)) == 4
    assert network_plan.CONTROL_PLANE not in NODES
