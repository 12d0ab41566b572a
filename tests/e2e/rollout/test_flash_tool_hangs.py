"""The flash tool hangs: it is named and left alone, and neither it nor its agent's pod is lost on the way."""

import time

from gharial_cluster.demo.site import SYSTEM_NAMESPACE, Site, wait_until
from gharial_wire.card_control import Fault

from e2e.hardware import Hardware, agent_of

from .fleet import Fleet
from .watching import Watching


def test_it_is_named_never_killed_and_waited_for_by_an_agent_that_is_asked_to_leave(site: Site, fleet: Fleet) -> None:
    hardware = Hardware(site)
    with Watching(site) as watching, hardware.mended():
        hardware.inject("node-a", Fault.FLASH_HANGS)
        hardware.inject("node-b", Fault.FLASH_HANGS)
        fleet.roll_out()
        watching.wait(lambda now: any(seen.reason == "FlashToolSilent" for seen in now.values()), 120)
        [node] = [seen.node for seen in watching.now().values() if seen.reason == "FlashToolSilent"]
        [other] = {"node-a", "node-b"} - {node}
        hardware.inject(other, Fault.FLASH_HANGS, 0)
        degraded = site.wait_condition("asrcardpool", "simulated", "Degraded", reason="FlashToolSilent", timeout=20)
        assert node in degraded["message"] and "said nothing since" in degraded["message"]
        agent = agent_of(site, node)
        site.cluster.kubectl("delete", "pod", agent, "-n", SYSTEM_NAMESPACE, "--wait=false")
        # It stays until the write has ended, and goes on to look after the cards: one that is healed is told at once.
        time.sleep(5)
        assert site.get("pod", agent, SYSTEM_NAMESPACE) is not None
        assert hardware.status(node)["lastFlash"]["result"] == "Running"
        hardware.inject(node, Fault.FLASH_HANGS, 0)
        wait_until(lambda: site.get("pod", agent, SYSTEM_NAMESPACE) is None, 60, lambda: f"{agent} does not go")
        watching.wait(fleet.done, 150)
    assert hardware.status(node)["lastFlash"]["attempt"] == 1


def test_what_a_killed_pod_left_half_written_is_written_anew(site: Site, fleet: Fleet) -> None:
    hardware = Hardware(site)
    with Watching(site) as watching, hardware.mended():
        for node in ("node-a", "node-b"):
            hardware.inject(node, Fault.FLASH_HANGS)
        fleet.roll_out(backoffSeconds=1, retries=5)
        watching.wait(lambda now: any(seen.phase == "Flashing" for seen in now.values()), 120)
        [node] = [seen.node for seen in watching.now().values() if seen.phase == "Flashing"]
        agent = agent_of(site, node)
        site.cluster.kubectl("delete", "pod", agent, "-n", SYSTEM_NAMESPACE, "--grace-period=0", "--force")
        wait_until(lambda: agent_of(site, node) not in {"", agent}, 60, lambda: f"no new agent on {node}")
        for other in ("node-a", "node-b"):
            hardware.inject(other, Fault.FLASH_HANGS, 0)
        watching.wait(fleet.done, 200)
    fleet.expect_no_traces()
