"""The pool's spec is changed, and the pool deleted, while a node is being flashed: what has begun is finished."""

from pathlib import Path

import pytest
from crowd import Crowd
from gharial_cluster.demo.site import Site, example, wait_until

from .fleet import THIRD, Fleet
from .watching import Seen, Watching


def flashing(now: dict[str, Seen], version: str) -> list[str]:
    """Nodes whose card is being written with a version."""
    return [node for node, seen in now.items() if (seen.phase, seen.target) == ("Flashing", version)]


@pytest.mark.timeout(600)
def test_what_has_begun_is_finished_when_the_spec_changes_or_the_pool_goes(
    site: Site, fleet: Fleet, short: dict[Path, str]
) -> None:
    with Watching(site) as watching:
        with Crowd(short, site.gateway_url(), 4) as crowd:
            second = fleet.roll_out()
            now = watching.wait(lambda now: bool(flashing(now, second)), 60)
            [first] = flashing(now, second)
            fleet.roll_out(THIRD)
            # The write goes to its end and becomes live before the third version is begun.
            watching.wait(lambda now: now[first].bitstream == second, 30)
            now = watching.wait(lambda now: bool(flashing(now, THIRD)), 120)
            [busy] = flashing(now, THIRD)
            site.delete("asrcardpool", "simulated", wait=False)
            crowd.expect_whole()
        watching.wait(lambda now: now[busy].bitstream == THIRD, 60)
        wait_until(lambda: not fleet.cordoned(), 30, lambda: str(fleet.traces()))
        flashes = [card["lastFlash"] for item in site.objects("asrcardnodes") for card in item["status"]["cards"]]
        assert {flash["result"] for flash in flashes} == {"Succeeded"}
    # A model still names the pool; when it has gone, nothing of the pool stays.
    site.delete("asrmodel", "general", "speech")
    wait_until(lambda: not site.objects("asrcardnodes"), 60, lambda: str(site.objects("asrcardnodes")))
    wait_until(lambda: not any(fleet.traces().values()), 20, lambda: str(fleet.traces()))
    *_, model = example("model")
    site.apply(fleet.pool(THIRD), model)
    with Watching(site) as watching:
        watching.wait(fleet.done, 120)
    site.wait_condition("asrmodel", "general", "Ready", namespace="speech", timeout=120)
    fleet.expect_no_traces()
