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
from gharial_wire.card_control import Fault

from .entrances import Entrances
from .hardware import Hardware, told_by_agent
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
    site: Site, fleet: Fleet, short: dict[Path, str]
) -> None:
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


@pytest.mark.timeout(1200)
def test_a_person_power_cycles_machines_a_reboot_is_not_enough_and_a_card_that_stays_away_is_flashed_again(
    site: Site, fleet: Fleet, short: dict[Path, str]
) -> None:
    hardware = Hardware(site)
    policy = {"powerCycle": {"provider": "manual"}, "retries": 1, "backoffSeconds": 1}
    with (
        Watching(site) as watching,
        Entrances(site) as entrances,
        Crowd(short, entrances.url, STREAMS) as crowd,
    ):
        fleet.roll_out(**policy)
        waits = "power-cycle"
        now = watching.wait(lambda now: bool(whose(now, "PowerCycleRequired", waits)), 180)
        first = whose(now, "PowerCycleRequired", waits)
        expect_power_cycle_is_asked_for(site, first)

        site.cluster.restart_node(first)
        still = f"{first} was restarted, and 0000:25:00.0 still runs"
        watching.wait(lambda now: whose(now, "PowerCycleRequired", still) == first, 180)

        hardware.inject(first, Fault.BOOT_FAILS, 1)
        power_cycle(site, first)
        stays_away = "CardNotEnumerated"
        wait_until(lambda: stays_away in told_by_agent(site, first), 180, lambda: str(watching.now()))
        # The write is repeated, and then it needs the machine's power once more.
        written_again = f"power-cycle {first}"
        watching.wait(lambda now: whose(now, "PowerCycleRequired", written_again) == first, 240)
        assert hardware.status(first)["lastFlash"]["attempt"] == 2
        power_cycle(site, first)
        watching.wait(lambda now: now[first].state == "Done", 240)

        second = other(first)
        watching.wait(lambda now: whose(now, "PowerCycleRequired", waits) == second, 240)
        power_cycle(site, second)
        watching.wait(fleet.done, 240)
        crowd.expect_whole()
    assert watching.most_out_of_service() == 1
    fleet.expect_no_traces()


def power_cycle(site: Site, node: str) -> None:
    """What a person does who was asked to."""
    site.cluster.power_off(node)
    site.cluster.power_on(node)


def expect_power_cycle_is_asked_for(site: Site, node: str) -> None:
    """The words say what to do, and the machine is empty: it may be switched off at any time."""
    live = site.get("asrcardnode", node)
    assert live is not None
    assert "a reboot is not enough" in live["spec"]["flashReason"]
    pods = [pod for pod in site.objects("pods") if pod["spec"].get("nodeName") == node]
    assert {pod["metadata"]["ownerReferences"][0]["kind"] for pod in pods} <= {"DaemonSet", "Node"}


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
