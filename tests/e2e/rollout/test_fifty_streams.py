"""A bitstream reaches both nodes while fifty streams at a time come and go: no word of any is lost."""

from pathlib import Path

from crowd import Crowd
from gharial_cluster.demo.site import Site

from .fleet import Fleet
from .watching import ON_THE_WAY, Watching

STREAMS = 50
#: States that no node passes without an event. Those between Drained and Uncordoned may be too short for the operator.
TOLD = ["Cordoned", "WaitingForStreams", "Drained", "Uncordoned", "Done"]


def test_a_bitstream_is_rolled_out_under_fifty_live_streams_and_no_word_is_lost(
    site: Site, fleet: Fleet, offline: dict[Path, str]
) -> None:
    with Watching(site) as watching, Crowd(offline, site.gateway_url(), STREAMS) as crowd:
        watching.wait(lambda now: sum(int(seen.streams or 0) for seen in now.values()) >= STREAMS // 2, 60)
        fleet.roll_out()
        watching.wait(fleet.done, 280)
        crowd.expect_whole()
    assert watching.most_out_of_service() == 1
    for node, states in watching.told().items():
        assert in_order(states), (node, states)
        assert [state for state in fleet.events(node) if state in TOLD][-len(TOLD) :] == TOLD
    fleet.expect_no_traces()


def in_order(states: list[str]) -> bool:
    """Whether a node passed its states once, in order; short ones may not have been seen."""
    passed = [state for state in states if state in ON_THE_WAY]
    return passed == [state for state in ON_THE_WAY if state in passed]
