"""Operator and agent are killed in every state of a rollout: it goes on and ends, and nobody's stream notices."""

import time
from pathlib import Path

import pytest
from crowd import Crowd
from gharial_cluster.demo.site import Site

from .fleet import Fleet
from .hands import Killing
from .watching import AGENT_STATES, ON_THE_WAY, Seen, Watching

STREAMS = 6


@pytest.mark.timeout(900)
def test_the_operator_is_killed_in_every_state_and_the_rollout_ends_in_done(
    site: Site, fleet: Fleet, short: dict[Path, str]
) -> None:
    killed: set[str] = set()
    with Watching(site) as watching, Crowd(short, site.gateway_url(), STREAMS) as crowd, Killing(site) as killing:
        fleet.roll_out()
        for seen in watching.each(540):
            if seen.state in ON_THE_WAY and seen.state not in killed and seen.is_fresh:
                killed |= {seen.state} if kill_operator(killing, seen) else set()
            if ended(fleet, watching, killed):
                break
        crowd.expect_whole()
    assert killed == set(ON_THE_WAY)
    assert watching.most_out_of_service() == 1
    fleet.expect_no_traces()


def ended(fleet: Fleet, watching: Watching, killed: set[str]) -> bool:
    """Whether the rollout is done; where a state was too short to be hit, another rollout follows."""
    if not fleet.done(watching.now()):
        return False
    if killed == set(ON_THE_WAY):
        return True
    fleet.roll_out()
    return False


def kill_operator(killing: Killing, seen: Seen) -> str:
    """Kills the leader while the node is in its state; returns the leader's name."""
    if seen.state not in AGENT_STATES:
        # An eviction whose client dies half-way counts against the budget for two minutes (Kubernetes' own rule), so
        # that nobody may go: it is let through. tests/operator/test_death.py ends operators between any two writes.
        time.sleep(0.5 if seen.state == "WaitingForStreams" else 0.0)
        return killing.operator()
    # What the agent does goes on without any operator. It is held still, so that the next one finds the same state.
    agent = killing.agents[seen.node]
    agent.send("STOP")
    try:
        leader = killing.operator()
        if leader:
            killing.await_leader(but=leader)
    finally:
        agent.send("CONT")
    return leader


@pytest.mark.timeout(900)
def test_the_agent_is_killed_in_every_state_and_the_cards_end_whole(
    site: Site, fleet: Fleet, short: dict[Path, str]
) -> None:
    killed: set[str] = set()
    with Watching(site) as watching, Crowd(short, site.gateway_url(), STREAMS) as crowd, Killing(site) as killing:
        fleet.roll_out()
        for seen in watching.each(540):
            # The agent's own states are told by the card's phase, the operator's by the node's state.
            state = seen.phase if seen.phase in AGENT_STATES else seen.state
            if state in ON_THE_WAY and state not in killed and seen.is_fresh:
                killing.agent(seen.node)
                killed.add(state)
            if ended(fleet, watching, killed):
                break
        crowd.expect_whole()
    assert killed == set(ON_THE_WAY)
    for card_node in site.objects("asrcardnodes"):
        [card] = card_node["status"]["cards"]
        assert (card["phase"], card["health"], card["licence"]["state"]) == ("Ready", "Healthy", "Valid")
        assert card["bitstream"] == fleet.version
    fleet.expect_no_traces()
