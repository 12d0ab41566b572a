"""A bitstream reaches both nodes while streams come and go: every transcript is the one an untouched server gives."""

import hashlib
import time
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from gharial_cluster.demo.site import Site, example, wait_until

from .streams import LiveStream

#: Streams at a time; as soon as one ends, the next begins.
AT_A_TIME = 2
#: States that no node passes without an event. Those between Drained and Uncordoned may be too short to be seen.
PASSED = ["Cordoned", "WaitingForStreams", "Drained", "Uncordoned", "Done"]


def card_nodes(site: Site) -> dict[str, dict[str, Any]]:
    return {item["metadata"]["name"]: item for item in site.objects("asrcardnodes")}


def told(site: Site) -> dict[str, list[str]]:
    """States that each node's events tell, in order."""
    events = [e for e in site.objects("events", "default") if e["involvedObject"]["kind"] == "AsrCardNode"]
    states: dict[str, list[str]] = {name: [] for name in card_nodes(site)}
    for event in sorted(events, key=lambda event: event["metadata"]["resourceVersion"].zfill(20)):
        if event.get("source", {}).get("component") == "gharial-operator":
            states[event["involvedObject"]["name"]].append(event["message"].split(":")[0])
    return states


def all_run(site: Site, version: str) -> bool:
    """Whether every node is done with a version."""
    found = card_nodes(site).values()
    done = all(item["spec"]["rollout"]["state"] == "Done" for item in found)
    return done and all(card["bitstream"] == version for item in found for card in item["status"]["cards"])


@pytest.mark.timeout(1200)
def test_a_bitstream_is_rolled_out_under_live_streams_and_no_word_is_lost(
    site: Site, recordings: list[Path], offline: dict[Path, str]
) -> None:
    site.put_bitstream("1.13.0")
    image = (site.cluster.paths.root / "bitstreams" / "1.13.0.flash").read_bytes()
    [pool] = example("pool")
    right = pool["spec"]["bitstream"]
    source = {"name": "bitstream-1-13-0", "key": "bitstream.flash"}
    digest = hashlib.sha256(image).hexdigest()
    pool["spec"]["bitstream"] = {"version": "1.13.0", "configMap": source, "sha256": digest}
    following = cycle(recordings)
    live = [(file, LiveStream(file, site.gateway_url())) for file, _ in zip(following, range(AT_A_TIME), strict=False)]
    before = told(site)
    ended = 0
    site.apply(pool)
    try:
        deadline = time.monotonic() + 400
        while not all_run(site, "1.13.0"):
            assert time.monotonic() < deadline, told(site)
            cordoned = [n["metadata"]["name"] for n in site.objects("nodes") if n["spec"].get("unschedulable")]
            assert len(cordoned) <= 1
            for i, (file, stream) in enumerate(live):
                if not stream.running:
                    assert_whole(stream, file, offline)
                    ended += 1
                    again = next(following)
                    live[i] = again, LiveStream(again, site.gateway_url())
            time.sleep(0.2)
        for file, stream in live:
            assert_whole(stream, file, offline)
        assert ended >= AT_A_TIME
        for name, states in told(site).items():
            assert [state for state in states[len(before[name]) :] if state in PASSED] == PASSED, (name, states)
    finally:
        pool["spec"]["bitstream"] = right
        site.apply(pool)
        wait_until(lambda: all_run(site, "1.14.0"), 400, lambda: str(card_nodes(site)))


def assert_whole(stream: LiveStream, file: Path, offline: dict[Path, str]) -> None:
    """The stream was never cut off, and every word is there."""
    heard = stream.result()
    assert (heard["reconnects"], heard["transcript"]) == (0, offline[file])
