"""Done, under way, or stopped until a person acts; and how long it still takes, where that can be told."""

from datetime import timedelta
from typing import Any

import pytest
from gharial_admin.plugin.progress import progress
from gharial_api import AsrCardNode, AsrCardPool
from machines import card
from manifests import pool
from pool_facts import NOW

DONE = ("Done", "AsExpected: Every card runs bitstream 1.2.0.", 0.0)


def a_pool(**policy: Any) -> AsrCardPool:
    """A pool that the operator has looked at."""
    return AsrCardPool.model_validate({**pool(upgradePolicy=policy), "status": {"observedGeneration": 0}})


def nodes(*states: tuple[str, str, float]) -> list[AsrCardNode]:
    """Nodes with state, flashReason, and for how many seconds it has been so."""
    made = []
    for number, (state, reason, seconds) in enumerate(states):
        name = f"node-{number}"
        since = (NOW - timedelta(seconds=seconds)).isoformat()
        spec = {"poolRef": {"name": "cards"}, "nodeName": name, "driver": "simulated", "flashReason": reason}
        spec |= {"rollout": {"state": state, "since": since}}
        flashed = (NOW - timedelta(seconds=600 - 100 * number)).isoformat()
        last = {"attempt": 1, "result": "Succeeded", "time": flashed, "version": "1.2.0"}
        cards = [card(lastFlash=last)] if state == "Done" else [card(bitstream="1.1.0")]
        made.append(AsrCardNode.model_validate({"metadata": {"name": name}, "spec": spec, "status": {"cards": cards}}))
    return made


FLASHING = ("Flashing", "Flashing: Cards are being flashed.", 60)
BUDGET = ("Pending", "WaitingForBudget: maxUnavailable allows 1 node to be down.", 5000)
NEW_BUDGET = ("Pending", "WaitingForBudget: maxUnavailable allows 1 node to be down.", 5)
LOST = ("Pending", "NodeNotReady: node-1 is not ready; the other nodes go on.", 5000)


@pytest.mark.parametrize(
    ("states", "wanted"),
    [
        ([DONE, DONE], "done"),
        ([DONE, FLASHING, BUDGET], "under way"),
        ([DONE, LOST, BUDGET], "stopped"),
        ([DONE, ("Pending", "CanarySoaking: The canary is watched.", 5000)], "under way"),
        ([DONE, ("Pending", "OutsideMaintenanceWindow: No window is open.", 50_000)], "under way"),
        ([DONE, ("Failed", "BackingOff: It is tried again.", 5000)], "under way"),
        ([DONE, ("Pending", "AgentNotReporting: The agent has not looked yet.", 5)], "under way"),
        ([DONE, ("Pending", "AgentNotReporting: The agent has not looked yet.", 500)], "stopped"),
        ([DONE, ("Quarantined", "FlashFailed: Flashing node-1 failed 4 times.", 5)], "stopped"),
        ([DONE, ("RolledBack", "RolledBack: 1.2.0 failed on node-1.", 5)], "stopped"),
        ([FLASHING, ("Quarantined", "FlashFailed: Flashing node-1 failed 4 times.", 5)], "under way"),
        (
            [("Pending", "PausedByAdmin: paused is true.", 5), ("Pending", "PausedByAdmin: paused is true.", 5)],
            "stopped",
        ),
        ([("PowerCycling", "PowerCycleRequired: power-cycle node-0.", 5), NEW_BUDGET], "stopped"),
        ([("PowerCycling", "PowerCycling: node-0 is off, and stays so for 10 s.", 5), BUDGET], "under way"),
        ([("Failed", "CardUnhealthy: No card of node-0 can be flashed.", 5)], "stopped"),
        ([], "stopped"),
    ],
)
def test_a_rollout_is_done_under_way_or_stopped(states: list[tuple[str, str, float]], wanted: str) -> None:
    assert progress(a_pool(), nodes(*states), NOW).state == wanted


def test_a_change_that_the_operator_has_not_seen_is_under_way() -> None:
    changed = AsrCardPool.model_validate({**pool(), "metadata": {"name": "cards", "generation": 2}})
    assert progress(changed, nodes(DONE), NOW).state == "under way"


def test_the_time_to_go_is_told_after_three_nodes_at_their_pace() -> None:
    three = [DONE, DONE, DONE, FLASHING, BUDGET]
    assert progress(a_pool(), nodes(*three), NOW).eta == timedelta(seconds=200)
    assert progress(a_pool(), nodes(*three[1:]), NOW).eta is None


def test_no_time_to_go_is_told_where_a_canary_or_a_window_makes_it_a_guess() -> None:
    three = [DONE, DONE, DONE, FLASHING, BUDGET]
    assert progress(a_pool(canary={"nodes": 1}), nodes(*three), NOW).eta is None
    windows = [{"start": "02:00", "durationMinutes": 60}]
    assert progress(a_pool(maintenanceWindows=windows), nodes(*three), NOW).eta is None
