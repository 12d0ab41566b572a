"""Flashes fail: once, always, or so that only the comparison afterwards finds it."""

from pathlib import Path

from gharial_cluster.demo.recording import transcribe
from gharial_cluster.demo.site import Site
from gharial_wire.card_control import Fault

from e2e.hardware import Hardware, told_by_agent

from .fleet import Fleet
from .watching import Watching

#: Which of them goes first is the rollout's choice.
FIRST, SECOND = "node-a", "node-b"
#: One more attempt, soon.
POLICY = {"retries": 1, "backoffSeconds": 1}


def test_one_that_fails_once_is_repeated_and_one_that_always_fails_ends_in_quarantine_until_a_reset(
    site: Site, fleet: Fleet, short: dict[Path, str]
) -> None:
    hardware = Hardware(site)
    with Watching(site) as watching, hardware.mended():
        hardware.inject(FIRST, Fault.FLASH_FAILS, 1)
        hardware.inject(SECOND, Fault.FLASH_CORRUPTS)
        wanted = fleet.roll_out(**POLICY)
        watching.wait(lambda now: now[SECOND].state == "Quarantined", 150)
        last = hardware.status(SECOND)["lastFlash"]
        assert (last["attempt"], last["result"]) == (2, "Failed")
        assert "verification" in last["message"]
        degraded = site.wait_condition("asrcardpool", "simulated", "Degraded", reason="FlashFailed", timeout=20)
        assert f"{SECOND} 0000:25:00.0" in degraded["message"]
        site.wait_condition("asrcardpool", "simulated", "UpgradePaused", reason="CircuitBreakerOpen", timeout=20)
        pool = site.get("asrcardpool", "simulated")
        assert pool is not None and pool["status"]["cards"]["quarantined"] == 1
        assert not fleet.cordoned()
        # The flash memory is spoilt, the card itself still runs what it ran, and the other node serves with the new.
        serves_on(site, short)
        hardware.inject(SECOND, Fault.FLASH_CORRUPTS, 0)
        fleet.roll_out(wanted, **POLICY, reset="mended")
        watching.wait(fleet.done, 120)
    assert hardware.status(FIRST)["lastFlash"]["attempt"] == 2
    assert "FlashFailed" in told_by_agent(site, FIRST)
    site.wait_condition("asrcardpool", "simulated", "Degraded", "False", timeout=30)


def test_one_that_always_fails_is_rolled_back_where_the_pool_asks_for_that(
    site: Site, fleet: Fleet, short: dict[Path, str]
) -> None:
    hardware = Hardware(site)
    before = fleet.version
    policy = {"retries": 0, "backoffSeconds": 1, "rollbackOnFailure": True}
    with Watching(site) as watching, hardware.mended():
        # Each attempt takes one failed write: the attempt at the new one fails, the one at the old does not.
        hardware.inject(FIRST, Fault.FLASH_FAILS, 1)
        fleet.roll_out(**policy)
        watching.wait(lambda now: now[FIRST].state == "RolledBack", 150)
        assert hardware.status(FIRST)["bitstream"] == before
        site.wait_condition("asrcardpool", "simulated", "UpgradePaused", reason="CircuitBreakerOpen", timeout=20)
        serves_on(site, short)
        fleet.roll_out(before, **policy)
        watching.wait(fleet.done, 120)


def serves_on(site: Site, short: dict[Path, str]) -> None:
    """A stream through the gateway gives the words of an untouched server."""
    recording, words = next(iter(short.items()))
    assert transcribe(recording, site.gateway_url(), "--fast")["transcript"] == words
