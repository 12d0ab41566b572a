"""A node is lost while its card is being flashed: it is named, the other serves, and all is well when it is back."""

from pathlib import Path

import pytest
from crowd import Crowd
from gharial_cluster.demo.site import Site, wait_until
from gharial_cluster.network_plan import NODES

from .fleet import Fleet
from .watching import Watching


def test_a_lost_node_is_named_and_the_other_serves_on(site: Site, fleet: Fleet, short: dict[Path, str]) -> None:
    with Watching(site) as watching:
        lost, other = one_is_flashed(fleet, watching)
        site.cluster.power_off(lost)
        try:
            # maxUnavailable is 1, and one node is down: the other keeps its bitstream and goes on serving.
            now = watching.wait(lambda now: now[lost].reason == "NodeNotReady", 150)
            assert lost in now[lost].why
            with Crowd(short, site.gateway_url(other), 2) as crowd:
                pool = site.wait_condition("asrcardpool", "simulated", "Ready", "False", timeout=60)
                assert lost in pool["message"]
            crowd.expect_whole()
            assert watching.now()[other].state in {"Pending", "Done"}
            assert fleet.cordoned() == [lost]
        finally:
            site.cluster.power_on(lost)
        watching.wait(fleet.done, 280)
    fleet.expect_no_traces()


@pytest.mark.timeout(900)
def test_a_node_lost_for_good_is_forgotten_with_its_object_and_the_rollout_ends_with_those_that_are_left(
    site: Site, fleet: Fleet, short: dict[Path, str]
) -> None:
    with Watching(site) as watching:
        lost, other = one_is_flashed(fleet, watching)
        site.cluster.power_off(lost)
        try:
            watching.wait(lambda now: now[lost].reason == "NodeNotReady", 150)
            assert watching.now()[other].bitstream != fleet.version
            site.delete("node", lost)
            # Of the model's two pods one has no node any more: its budget keeps the other, until it wants one alone.
            watching.wait(lambda now: now[other].reason == "PDBBlocked", 120)
            scale(site, 1)
            watching.wait(lambda now: (now[other].state, now[other].bitstream) == ("Done", fleet.version), 280)
            assert site.get("asrcardnode", lost) is None
            pool = site.wait_condition("asrcardpool", "simulated", "Ready", timeout=60)
            assert "1 of 1 card" in pool["message"], pool
            with Crowd(short, site.gateway_url(other), 2) as crowd:
                pass
            crowd.expect_whole()
        finally:
            site.cluster.power_on(lost)
            wait_until(lambda: site.get("node", lost) is not None, 60, lambda: f"{lost} is not registered")
            site.label_nodes(*NODES)
            scale(site, 2)
        # The machine is back after all: its card is found half-written, and gets what the others have.
        watching.wait(fleet.done, 280)
    fleet.expect_no_traces()


def scale(site: Site, replicas: int) -> None:
    """The admin says how many pods the model has."""
    site.cluster.kubectl("scale", "asrmodel", "general", "-n", "speech", f"--replicas={replicas}")


def one_is_flashed(fleet: Fleet, watching: Watching) -> tuple[str, str]:
    """A rollout begins; returns the node whose card is being written, and the other one."""
    fleet.roll_out()
    now = watching.wait(lambda now: any(seen.phase == "Flashing" for seen in now.values()), 60)
    lost = next(node for node, seen in now.items() if seen.phase == "Flashing")
    return lost, next(node for node in NODES if node != lost)
