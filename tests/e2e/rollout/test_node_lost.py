"""A node is lost while its card is being flashed: it is named, the other serves, and all is well when it is back."""

from pathlib import Path

from crowd import Crowd
from gharial_cluster.demo.site import Site
from gharial_cluster.network_plan import NODES

from .fleet import Fleet
from .watching import Watching


def test_a_lost_node_is_named_and_the_other_serves_on(site: Site, fleet: Fleet, short: dict[Path, str]) -> None:
    with Watching(site) as watching:
        fleet.roll_out()
        now = watching.wait(lambda now: any(seen.phase == "Flashing" for seen in now.values()), 60)
        lost = next(node for node, seen in now.items() if seen.phase == "Flashing")
        other = next(node for node in NODES if node != lost)
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
