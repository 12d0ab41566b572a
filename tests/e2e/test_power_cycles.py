"""Machines are switched off and on to make bitstreams live, and what goes wrong about that is named and mended."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from crowd import Crowd
from gharial_cluster.demo.site import SYSTEM_NAMESPACE, Site, example, wait_until
from gharial_cluster.network_plan import NODES
from gharial_cluster.redfish.controllers import MachineControllers
from gharial_cluster.redfish.door import Mood
from gharial_cluster.redfish.emulator import PASSWORD, USERNAME

from .entrances import Entrances
from .pods import is_ready
from .rollout.fleet import AWAY, Fleet
from .rollout.watching import Seen, Watching

ADDRESS = "asr.gharial.dev/bmc"
LOGIN = "bmc-login"
STREAMS = 6


@pytest.fixture(scope="module")
def fleet(site: Site) -> Iterator[Fleet]:
    """The pool on machines whose cards obey the machine's power alone; in the end everything is as it was."""
    fleet = Fleet(site)
    site.install("simulatedCards.power=machine", "agent.bootSeconds=20")
    try:
        renew_servers(site)
        yield fleet
    finally:
        for node in NODES:
            site.cluster.power_on(node)
        site.install()
        fleet.go_home()
        renew_servers(site)


def renew_servers(site: Site) -> None:
    """Cards whose process was replaced lose their servers: all start anew; returns when each node has one."""
    before = {pod["metadata"]["uid"] for pod in site.objects("pods", "speech")}
    site.cluster.kubectl("delete", "pods", "--all", "-n", "speech", "--wait=false")

    def served_anew() -> bool:
        pods = [pod for pod in site.objects("pods", "speech") if pod["metadata"]["uid"] not in before]
        return {pod["spec"].get("nodeName") for pod in pods if is_ready(pod)} == set(NODES)

    wait_until(served_anew, 120, lambda: str([pod["status"] for pod in site.objects("pods", "speech")]))
    site.wait_condition("asrmodel", "general", "Ready", namespace="speech", timeout=60)


@contextmanager
def controllers(site: Site) -> Iterator[MachineControllers]:
    """Each node has a Redfish controller that its annotation names, and the operator has their login."""
    with MachineControllers(site.cluster) as running:
        files = {"username": USERNAME, "password": PASSWORD, "ca.crt": running.authority}
        data = {name: base64.b64encode(text.encode()).decode() for name, text in files.items()}
        meta = {"name": LOGIN, "namespace": SYSTEM_NAMESPACE}
        site.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data})
        for node in NODES:
            site.cluster.kubectl("annotate", "node", node, f"{ADDRESS}={running.url(node)}", "--overwrite")
        try:
            yield running
        finally:
            for node in NODES:
                site.cluster.kubectl("annotate", "node", node, f"{ADDRESS}-")
            site.delete("secret", LOGIN, SYSTEM_NAMESPACE)


def whose(now: dict[str, Seen], reason: str, words: str) -> str:
    """The node that says this reason, with these words; empty when none does."""
    return next((seen.node for seen in now.values() if seen.reason == reason and words in seen.why), "")


def other(node: str) -> str:
    [left] = [name for name in NODES if name != node]
    return left


@pytest.mark.timeout(1200)
def test_machines_are_power_cycled_under_live_streams_although_one_controller_is_silent_and_one_fails(
    site: Site, fleet: Fleet, offline: dict[Path, str]
) -> None:
    short = {recording: words for recording, words in offline.items() if recording.name != "digits.flac"}
    power = {"provider": "redfish", "secretRef": {"name": LOGIN}, "shutdownSeconds": 30}
    with (
        controllers(site) as running,
        Watching(site) as watching,
        Entrances(site) as entrances,
        Crowd(short, entrances.url, STREAMS) as crowd,
    ):
        for node in NODES:
            running.turn(node, Mood.SILENT)
        fleet.roll_out(AWAY, powerCycle=power)
        now = watching.wait(lambda now: bool(whose(now, "PowerControllerFailed", "does not answer")), 180)
        first = whose(now, "PowerControllerFailed", "does not answer")
        second = other(first)
        assert now[second].reason == "WaitingForBudget"
        assert fleet.cordoned() == [first]
        degraded = site.wait_condition("asrcardpool", "simulated", "Degraded", timeout=30)
        assert first in degraded["message"]
        expect_others_are_served(site)
        running.turn(first, Mood.OBEYS)
        running.turn(second, Mood.FAILS)
        watching.wait(lambda now: whose(now, "PowerControllerFailed", "status 500") == second, 300)
        assert watching.now()[first].state == "Done"
        running.turn(second, Mood.OBEYS)
        watching.wait(fleet.done, 300)
        crowd.expect_whole()
    assert watching.most_out_of_service() == 1
    fleet.expect_no_traces()


def expect_others_are_served(site: Site) -> None:
    """A model that comes meanwhile is answered within seconds."""
    *_, model = example("model")
    model["metadata"]["name"] = "beside"
    model["spec"]["poolRef"] = {"name": "nowhere"}
    site.apply(model)
    try:
        site.wait_condition(
            "asrmodel", "beside", "Ready", "False", namespace="speech", reason="PoolNotFound", timeout=15
        )
    finally:
        site.delete("asrmodel", "beside", "speech")
