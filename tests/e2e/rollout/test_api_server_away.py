"""The API server answers nothing for half a minute in the middle of a rollout: streams go on, and then the rollout."""

import time
from pathlib import Path

from crowd import Crowd
from gharial_cluster.demo.site import Site
from gharial_cluster.network_plan import CONTROL_PLANE

from .fleet import Fleet
from .hands import Hand
from .watching import AGENT_STATES, Watching

AWAY_SECONDS = 30.0
STREAMS = 6


def test_streams_go_on_while_the_api_server_is_away_and_the_rollout_ends_afterwards(
    site: Site, fleet: Fleet, short: dict[Path, str]
) -> None:
    api_server = Hand(site, CONTROL_PLANE, "pidof kube-apiserver")
    with Watching(site) as watching, Crowd(short, site.gateway_url(), STREAMS) as crowd:
        fleet.roll_out()
        watching.wait(lambda now: any(seen.phase in AGENT_STATES for seen in now.values()), 60)
        # Stopped, not ended: whoever asks waits for an answer, which is worse than a refusal.
        api_server.send("STOP")
        ended = len(crowd.heard)
        time.sleep(AWAY_SECONDS)
        meanwhile = len(crowd.heard) - ended
        api_server.send("CONT")
        watching.wait(fleet.done, 200)
        crowd.expect_whole()
    api_server.close()
    assert meanwhile >= STREAMS, "no stream began and ended while the API server was away"
    assert watching.most_out_of_service() == 1
    fleet.expect_no_traces()
