"""What becomes of each node: a table of single decisions, and what is done about them."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gharial_api.upgrade import MaintenanceWindow
from gharial_operator.facts import NodeFacts
from gharial_operator.policies.rollout import Desired, NodeView, Plan, rollout
from gharial_operator.policies.rollout.drain import leave
from gharial_operator.policies.rollout.plan import Cordon, Evict, Label, Tell, Terminate, Uncordon, Unmark
from gharial_operator.policies.rollout.windows import next_change, open_now
from machines import card
from manifests import SHA
from pool_facts import NOW, OURS, a_node, a_pod, a_pool, failed, flashed, old, stored, view

BUSY = {"capacity": 16, "used": 1}
GOOD = {"version": "1.1.0", "url": "https://example.com/card.bit", "sha256": SHA}
THREE = {"upgradePolicy": {"maxUnavailable": 3}, "health": {"maxUnhealthyPercent": 100}}
ROLLS_BACK = {"upgradePolicy": {"rollbackOnFailure": True}, "health": {"maxUnhealthyPercent": 100}}
CANARY = {"upgradePolicy": {"maxUnavailable": 3, "canary": {"nodes": 1, "soakSeconds": 60}}}
NIGHTS = {"maintenanceWindows": [{"start": "02:00", "durationMinutes": 60}]}


def decide(spec: dict[str, Any], views: list[NodeView]) -> Plan:
    return rollout(views, Desired.of(a_pool(**spec)), NOW)


def drained(seconds_ago: float = 5, **fields: Any) -> NodeView:
    """Node a, cordoned, empty and allowed to flash."""
    return view("a", old(**fields), flash="Allowed", rollout=stored("Drained", seconds_ago), **OURS)


TABLE: dict[str, tuple[dict[str, Any], list[NodeView], dict[str, str]]] = {
    "no bitstream in the pool": ({"bitstream": None}, [view("a", old())], {"a": "Done AsExpected"}),
    "every card has it": ({}, [view("a", card())], {"a": "Done AsExpected"}),
    "one idle node": ({}, [view("a", old())], {"a": "Cordoned Cordoning"}),
    "a cordoned idle node": ({}, [view("a", old(), **OURS)], {"a": "Drained FlashAllowed"}),
    "no report yet": ({}, [view("a")], {"a": "Pending AgentNotReporting"}),
    "no object yet": ({}, [NodeView(a_node("a"), None)], {"a": "Pending AgentNotReporting"}),
    "a pod to evict": (
        {},
        [view("a", old(), pods=(a_pod("a"),), **OURS)],
        {"a": "WaitingForStreams WaitingForStreams"},
    ),
    "streams of a stranger": ({}, [view("a", old(streams=BUSY), **OURS)], {"a": "WaitingForStreams WaitingForStreams"}),
    "a budget in the way": (
        {},
        [view("a", old(), pods=(a_pod("a", blocked="Budget says no."),), **OURS)],
        {"a": "WaitingForStreams PDBBlocked"},
    ),
    "being flashed": ({}, [view("a", old(phase="Flashing"), flash="Allowed", **OURS)], {"a": "Flashing Flashing"}),
    "being powered": ({}, [view("a", old(phase="PowerCycling"), **OURS)], {"a": "PowerCycling Flashing"}),
    "all cards have it now": ({}, [view("a", card(), flash="Allowed", **OURS)], {"a": "Uncordoned Uncordoning"}),
    "a node that is lost": ({}, [view("a", old(), ready=False)], {"a": "Pending NodeNotReady"}),
    "a node that an admin cordoned": ({}, [view("a", old(), cordoned=True)], {"a": "Pending NodeCordonedByAdmin"}),
    "a node that an admin took back": (
        {},
        [view("a", old(), cordon_mark="cards", rollout=stored("Cordoned"))],
        {"a": "Pending NodeUncordonedByAdmin"},
    ),
    "a node that an admin took back and cordoned": (
        {},
        [view("a", old(), cordoned=True, cordon_mark="cards")],
        {"a": "Pending NodeCordonedByAdmin"},
    ),
    "paused before it has begun": (
        {"upgradePolicy": {"paused": True}},
        [drained()],
        {"a": "Pending PausedByAdmin"},
    ),
    "paused after it has begun": (
        {"upgradePolicy": {"paused": True}},
        [view("a", old(phase="Flashing"), flash="Allowed", **OURS)],
        {"a": "Flashing Flashing"},
    ),
    "paused between two cards of a node": (
        {"upgradePolicy": {"paused": True}},
        [view("a", card(), old(pciAddress="0000:5e:00.0"), flash="Allowed", rollout=stored("Validating"), **OURS)],
        {"a": "Validating Flashing"},
    ),
    "one at a time": (
        {},
        [view("a", old()), view("b", old())],
        {"a": "Cordoned Cordoning", "b": "Pending WaitingForBudget"},
    ),
    "idle nodes first": (
        {},
        [view("a", old(streams=BUSY)), view("b", old())],
        {"a": "Pending WaitingForBudget", "b": "Cordoned Cordoning"},
    ),
    "half of four": (
        {"upgradePolicy": {"maxUnavailable": "50%"}},
        [view(name, old()) for name in "abcd"],
        {
            "a": "Cordoned Cordoning",
            "b": "Cordoned Cordoning",
            "c": "Pending WaitingForBudget",
            "d": "Pending WaitingForBudget",
        },
    ),
    "a lost node uses up the budget": (
        {},
        [view("a", card(), ready=False), view("b", old())],
        {"a": "Done AsExpected", "b": "Pending WaitingForBudget"},
    ),
    "a cordoned node leaves the others to go on": (
        {"upgradePolicy": {"maxUnavailable": 2}},
        [view("a", old(), cordoned=True), view("b", old())],
        {"a": "Pending NodeCordonedByAdmin", "b": "Cordoned Cordoning"},
    ),
    "who has begun goes first": (
        {},
        [view("a", old()), view("b", old(), rollout=stored("Cordoned"))],
        {"a": "Pending WaitingForBudget", "b": "Cordoned Cordoning"},
    ),
    "too few streams would be left": (
        {"upgradePolicy": {"minAvailableStreams": 17}},
        [view("a", old()), view("b", old())],
        {"a": "Pending MinAvailableStreams", "b": "Pending MinAvailableStreams"},
    ),
    "enough streams are left": (
        {"upgradePolicy": {"minAvailableStreams": 16}},
        [view("a", old()), view("b", old())],
        {"a": "Cordoned Cordoning", "b": "Pending WaitingForBudget"},
    ),
    "cards that never served cost no streams": (
        {"upgradePolicy": {"minAvailableStreams": 16}},
        [view("a", old(phase="Pending"))],
        {"a": "Cordoned Cordoning"},
    ),
    "the canary goes alone": (
        CANARY,
        [view("a", old()), view("b", old())],
        {"a": "Cordoned Cordoning", "b": "Pending CanarySoaking"},
    ),
    "the canary is watched": (
        CANARY,
        [view("a", flashed(30)), view("b", old())],
        {"a": "Done AsExpected", "b": "Pending CanarySoaking"},
    ),
    "the canary has been watched": (
        CANARY,
        [view("a", flashed(61)), view("b", old())],
        {"a": "Done AsExpected", "b": "Cordoned Cordoning"},
    ),
    "the canary lacks a licence for it": (
        CANARY,
        [view("a", {**flashed(90), "licence": {"state": "VersionExceeded"}}), view("b", old())],
        {"a": "Done AsExpected", "b": "Pending CanarySoaking"},
    ),
    "the canary falls ill": (
        {**CANARY, "health": {"maxUnhealthyPercent": 100}},
        [view("a", {**flashed(90), "health": "Unhealthy"}), view("b", old())],
        {"a": "Done AsExpected", "b": "Pending CanaryFailed"},
    ),
    "outside of the maintenance window": (
        {"upgradePolicy": NIGHTS},
        [view("a", old())],
        {"a": "Pending OutsideMaintenanceWindow"},
    ),
    "a failure pauses the node": ({}, [view("a", failed(1, 10))], {"a": "Failed BackingOff"}),
    "the pause doubles": ({}, [view("a", failed(2, 100))], {"a": "Failed BackingOff"}),
    "after the pause it is tried again": ({}, [view("a", failed(1, 61))], {"a": "Cordoned Cordoning"}),
    "no attempts left": (THREE, [view("a", failed(4, 9999))], {"a": "Quarantined FlashFailed"}),
    "no attempts left, and the way back is known": (
        ROLLS_BACK,
        [view("a", failed(4, 9999), rollout=stored("Failed", last_good=GOOD))],
        {"a": "RollingBack RollingBack"},
    ),
    "no attempts left, and the way back is not known": (
        ROLLS_BACK,
        [view("a", failed(4, 9999))],
        {"a": "Quarantined FlashFailed"},
    ),
    "back on the last good bitstream": (
        ROLLS_BACK,
        [view("a", old(), rollout=stored("Validating", attempts=4, rolling_back=True, last_good=GOOD))],
        {"a": "RolledBack RolledBack"},
    ),
    "a dead card": (
        THREE,
        [view("a", old(phase="Failed", health="Unhealthy"))],
        {"a": "Failed CardUnhealthy"},
    ),
    "the circuit breaker opens": (
        {"upgradePolicy": {"maxUnavailable": 3}},
        [view("a", failed(4, 9999)), view("b", old())],
        {"a": "Quarantined FlashFailed", "b": "Pending CircuitBreakerOpen"},
    ),
    "an agent that does not begin": (THREE, [drained(601)], {"a": "Failed AgentNotReporting"}),
}


@pytest.mark.parametrize(("spec", "views", "expected"), TABLE.values(), ids=TABLE.keys())
def test_decisions(spec: dict[str, Any], views: list[NodeView], expected: dict[str, str]) -> None:
    found = decide(spec, views).nodes
    assert {name: f"{plan.state} {plan.reason}" for name, plan in found.items()} == expected


def test_orders_are_stored_before_anything_is_done_and_permissions_come_last() -> None:
    spec = {"upgradePolicy": {"maxUnavailable": 3}}
    plan = decide(spec, [view("a", old(), **OURS), view("b", old())])
    told = [(type(a), a.plan.node if isinstance(a, Tell) else "") for a in plan.actions if not isinstance(a, Label)]
    assert told == [(Tell, "b"), (Cordon, ""), (Tell, "a")]


def test_a_pod_is_evicted_once_and_not_while_its_budget_forbids_it() -> None:
    pods = (a_pod("a", "one"), a_pod("a", "two", terminating=True), a_pod("a", "three", blocked="No."))
    plan = decide({}, [view("a", old(), pods=pods, **OURS)])
    assert [action.pod.name for action in plan.actions if isinstance(action, Evict)] == ["one"]
    assert plan.recheck == 5


@pytest.mark.parametrize(
    ("on_timeout", "state", "action"),
    [("Wait", "WaitingForStreams", Evict), ("Abort", "Failed", Uncordon), ("Force", "WaitingForStreams", Terminate)],
)
def test_a_drain_that_takes_too_long_does_as_the_policy_says(on_timeout: str, state: str, action: type) -> None:
    spec = {"upgradePolicy": {"drain": {"timeoutSeconds": 60, "onTimeout": on_timeout}}}
    waiting = view("a", old(), pods=(a_pod("a"),), rollout=stored("WaitingForStreams", 61), **OURS)
    plan = decide(spec, [waiting])
    assert (plan.nodes["a"].state, str(plan.nodes["a"].reason)) == (state, "DrainTimedOut")
    assert [type(a) for a in plan.actions if not isinstance(a, Tell | Label)] == [action]


def test_the_cordon_goes_when_the_agent_knows_that_its_permission_is_withdrawn() -> None:
    spec = {"upgradePolicy": {"paused": True}}
    allowed = decide(spec, [drained()])
    assert allowed.nodes["a"].flash == "Hold" and Uncordon("a") not in allowed.actions
    known = decide(spec, [view("a", old(), rollout=stored("Pending"), **OURS)])
    assert Uncordon("a") in known.actions


def test_raising_retries_or_a_new_reset_word_closes_the_breaker_and_tries_again() -> None:
    views = [view("a", failed(4, 9999), rollout=stored("Quarantined", attempts=4)), view("b", old())]
    stopped = decide({}, views)
    assert "spec.upgradePolicy.reset" in stopped.breaker
    for policy in ({"retries": 9}, {"reset": "monday"}):
        again = decide({"upgradePolicy": policy}, views)
        assert (again.breaker, again.nodes["a"].state) == ("", "Cordoned")


def test_a_node_remembers_the_bitstream_with_which_all_its_cards_were_fit() -> None:
    fit = decide({}, [view("a", card())]).nodes["a"].record.last_good
    assert fit is not None and fit.version == "1.2.0"
    unlicensed = decide({}, [view("a", card(licence={"state": "Missing"}, phase="Pending"))]).nodes["a"].record
    assert unlicensed.last_good is None


def test_a_node_that_rolls_back_is_told_its_last_good_bitstream() -> None:
    node = view("a", failed(4, 9999), rollout=stored("Failed", last_good=GOOD))
    plan = decide(ROLLS_BACK, [node]).nodes["a"]
    assert plan.bitstream is not None and plan.bitstream.version == "1.1.0"
    assert plan.record.rolling_back and plan.record.attempts == 4


def test_leaving_takes_away_what_is_ours_and_nothing_else() -> None:
    labels = {"asr.gharial.dev/pool": "cards", "role": "speech"}
    nodes = [
        NodeFacts("ours", labels, **OURS),
        NodeFacts("taken-back", {}, cordon_mark="cards"),
        NodeFacts("admins", {}, cordoned=True),
        NodeFacts("other-pools", {}, **{**OURS, "cordon_mark": "other"}),
    ]
    assert leave(nodes, "cards") == (Uncordon("ours"), Label("ours", "cards", None), Unmark("taken-back"))


def test_a_node_that_was_done_waits_for_the_next_bitstream_since_that_was_asked_for() -> None:
    before = {"rollout": {"state": "Done", "since": "2025-12-01T00:00:00Z", "goal": "1.1.0 0123456789abcdef"}}
    plan = decide({"upgradePolicy": {"paused": True}}, [view("a", old(), **before)])
    assert (plan.nodes["a"].state, plan.nodes["a"].record.since) == ("Pending", NOW)


def test_a_pause_says_when_to_look_again() -> None:
    assert decide({}, [view("a", failed(1, 10))]).recheck == 50.0


def test_windows_open_and_close_in_their_own_time_zone() -> None:
    window = MaintenanceWindow(days=["Fri"], start="23:30", duration_minutes=60, time_zone="Europe/Berlin")
    friday = datetime(2026, 1, 2, 22, 30, tzinfo=UTC)
    assert not open_now([window], friday - timedelta(seconds=1))
    assert open_now([window], friday) and open_now([window], friday + timedelta(minutes=59))
    assert not open_now([window], friday + timedelta(minutes=60))
    assert next_change([window], friday - timedelta(days=3)) == friday
    assert open_now([], friday) and next_change([], friday) is None


def test_a_window_keeps_its_hour_over_a_change_of_summer_time() -> None:
    window = MaintenanceWindow(start="04:00", duration_minutes=30, time_zone="Europe/Berlin")
    assert open_now([window], datetime(2026, 3, 28, 3, 0, tzinfo=UTC))
    assert open_now([window], datetime(2026, 3, 29, 2, 0, tzinfo=UTC))
    assert not open_now([window], datetime(2026, 3, 29, 3, 0, tzinfo=UTC))


def test_a_thousand_nodes_of_five_cards_are_decided_within_a_second_of_processor_time() -> None:
    views = [view(f"n{i:04}", *[old(pciAddress=f"0000:{k:02x}:00.0") for k in range(5)]) for i in range(1000)]
    began = time.process_time()
    plan = decide({"upgradePolicy": {"maxUnavailable": "10%", "minAvailableStreams": 16}}, views)
    assert time.process_time() - began < 1
    assert sum(found.state == "Cordoned" for found in plan.nodes.values()) == 100
