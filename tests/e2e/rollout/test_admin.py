"""Admins cordon and uncordon nodes in the middle of a rollout, and two pools claim the same nodes."""

from pathlib import Path

from crowd import Crowd
from gharial_cluster.demo.site import Site, example
from gharial_cluster.network_plan import NODES

from .fleet import CORDON_MARK, Fleet
from .watching import ON_THE_WAY, Watching


def test_what_an_admin_cordons_or_uncordons_is_left_alone_and_given_back(
    site: Site, fleet: Fleet, offline: dict[Path, str]
) -> None:
    with Watching(site) as watching, Crowd(offline, site.gateway_url(), 12) as crowd:
        fleet.roll_out()
        now = watching.wait(lambda now: any(seen.state in ON_THE_WAY for seen in now.values()), 60)
        first = next(node for node, seen in now.items() if seen.state in ON_THE_WAY)
        later = next(node for node in NODES if node != first)
        # Before its turn: the cordon is the admin's, and stays.
        site.cluster.kubectl("cordon", later)
        now = watching.wait(lambda now: now[first].state == "Done" and now[later].reason == "NodeCordonedByAdmin", 90)
        assert f"kubectl uncordon {later}" in now[later].why
        assert fleet.traces()[later][:2] == ["cordon", "asr.gharial.dev/pool=simulated"]
        site.cluster.kubectl("uncordon", later)
        # While it is drained: an admin takes it back.
        watching.wait(lambda now: now[later].state == "WaitingForStreams", 60)
        site.cluster.kubectl("uncordon", later)
        now = watching.wait(lambda now: now[later].reason == "NodeUncordonedByAdmin", 30)
        assert (now[later].state, now[later].bitstream) == ("Pending", watching.seen[0].bitstream)
        assert fleet.cordoned() == []
        # The sentence says how the rollout gets it again.
        assert f"kubectl annotate node {later} {CORDON_MARK}-" in now[later].why
        site.cluster.kubectl("annotate", "node", later, f"{CORDON_MARK}-")
        watching.wait(fleet.done, 120)
        crowd.expect_whole()
    fleet.expect_no_traces()


def test_the_younger_of_two_pools_is_refused_with_the_older_one_and_the_nodes_by_name(site: Site, fleet: Fleet) -> None:
    [younger] = example("pool")
    younger["metadata"]["name"] = "younger"
    site.apply(younger)
    try:
        condition = site.wait_condition("asrcardpool", "younger", "Ready", "False", timeout=60)
        assert condition["reason"] == "NodeClaimedByOtherPool"
        for name in ("simulated", *NODES):
            assert name in condition["message"]
        owners = {item["spec"]["poolRef"]["name"] for item in site.objects("asrcardnodes")}
        assert owners == {"simulated"}
    finally:
        site.delete("asrcardpool", "younger")
    assert site.condition("asrcardpool", "simulated", "Ready")["status"] == "True"
