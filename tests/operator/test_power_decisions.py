"""What becomes of a node whose machine has to be power-cycled: a table of single decisions."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from gharial_operator.facts import PowerAnswer
from gharial_operator.policies.pool import decide_pool
from gharial_operator.policies.rollout import Desired, NodeView, Plan, rollout
from gharial_operator.policies.rollout.plan import Cordon, Evict, Turn
from gharial_operator.power.controller import Power, Switch
from machines import card
from pool_facts import NOW, OURS, a_pod, a_pool, old, pool_facts, stored, view

REDFISH = {"provider": "redfish", "secretRef": {"name": "bmc"}, "shutdownSeconds": 60}
BMC = {"controller": "https://10.0.0.5", "boot_id": "first"}
TROUBLE = "https://10.0.0.5 failed with status 500; see its own log"


def decide(views: list[NodeView], **policy: Any) -> Plan:
    spec = {"powerCycle": REDFISH, **policy}
    return rollout(views, Desired.of(a_pool(upgradePolicy=spec)), NOW)


def waiting(step: str = "", ago: float = 0.0, *cards: dict[str, Any], asked: str = "first", **fields: Any) -> NodeView:
    """Node a, cordoned and empty, with a written card, at a step of its power cycle.

    asked: boot id after which its agent was asked what the card runs.
    """
    since = (NOW - timedelta(seconds=ago)).isoformat()
    power = {"step": step, "since": since, "bootId": "first", "controller": "https://10.0.0.5", "secret": "bmc"}
    power["askedBootId"] = asked
    record = stored("PowerCycling", ago, **({"power": power} if step else {}))
    return view("a", old(phase="PowerCycling"), *cards, rollout=record, **{**OURS, **BMC, **fields})


def says(found: NodeView, power: Power | None, trouble: str = "", ago: float = 0.0) -> NodeView:
    return replace(found, power=PowerAnswer(power, trouble, NOW - timedelta(seconds=ago)))


def outcome(found: NodeView, **policy: Any) -> tuple[str, str, str]:
    plan = decide([found], **policy).nodes["a"]
    return plan.state, str(plan.reason), plan.record.power.step if plan.record.power else ""


def turns(found: NodeView) -> list[Switch]:
    return [action.switch for action in decide([found]).actions if isinstance(action, Turn)]


TABLE: dict[str, tuple[NodeView, tuple[str, str, str]]] = {
    "written": (waiting(), ("PowerCycling", "PowerCycling", "Waiting")),
    "another card is being written": (
        waiting("Waiting", 5, old(phase="Flashing", pciAddress="b")),
        ("Flashing", "Flashing", ""),
    ),
    "the controller has not answered": (waiting("Waiting", 5), ("PowerCycling", "PowerCycling", "Waiting")),
    "its answer is older than the step": (
        says(waiting("Waiting", 5), Power.ON, ago=6),
        ("PowerCycling", "PowerCycling", "Waiting"),
    ),
    "it gives trouble": (
        says(waiting("Waiting", 5), None, TROUBLE),
        ("PowerCycling", "PowerControllerFailed", "Waiting"),
    ),
    "it speaks of another machine": (
        says(waiting("Waiting", 5), Power.OFF),
        ("PowerCycling", "PowerControllerFailed", "Waiting"),
    ),
    "nobody knows it": (waiting("Waiting", 5, controller=""), ("PowerCycling", "PowerControllerUnknown", "Waiting")),
    "it says on": (says(waiting("Waiting", 5), Power.ON), ("PowerCycling", "PowerCycling", "TurningOff")),
    "lost while it waits": (waiting("Waiting", 5, ready=False), ("PowerCycling", "NodeNotReady", "Waiting")),
    "a person power-cycled it, and the card is away": (
        view(
            "a",
            old(phase="PowerCycling") | {"bitstream": ""},
            rollout=waiting("Waiting", 5, asked="second").record.to_json(),
            **{**OURS, **BMC, "boot_id": "second"},
        ),
        ("PowerCycling", "PowerCycling", "TurnedOn"),
    ),
    "off at last": (says(waiting("TurningOff", 5), Power.OFF), ("PowerCycling", "PowerCycling", "KeptOff")),
    "trouble on the way off": (
        says(waiting("TurningOff", 5), None, TROUBLE),
        ("PowerCycling", "PowerControllerFailed", "TurningOff"),
    ),
    "nothing happens to its power": (
        says(waiting("TurningOff", 360), Power.ON),
        ("PowerCycling", "PowerControllerFailed", "TurningOff"),
    ),
    "it stays off": (
        says(waiting("TurningOn", 300, ready=False), Power.OFF),
        ("PowerCycling", "PowerControllerFailed", "TurningOn"),
    ),
    "off for a moment": (waiting("KeptOff", 5, ready=False), ("PowerCycling", "PowerCycling", "KeptOff")),
    "off for long enough": (waiting("KeptOff", 10, ready=False), ("PowerCycling", "PowerCycling", "TurningOn")),
    "starting": (
        says(waiting("TurningOn", 5, ready=False), Power.ON),
        ("PowerCycling", "PowerCycling", "TurningOn"),
    ),
    "it does not come back": (
        says(waiting("TurningOn", 300, ready=False), Power.ON),
        ("PowerCycling", "NodeNotReady", "TurningOn"),
    ),
    "another machine was power-cycled": (
        says(waiting("TurningOn", 300), Power.ON),
        ("PowerCycling", "PowerControllerFailed", "TurningOn"),
    ),
    "started anew, whatever its controller says": (
        says(waiting("TurningOn", 5, boot_id="second"), None, TROUBLE),
        ("PowerCycling", "PowerCycling", "TurnedOn"),
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_each_step_follows_from_what_is_seen(name: str) -> None:
    found, wanted = TABLE[name]
    assert outcome(found) == wanted
    paused = outcome(found, paused=True)
    assert paused == wanted, "what has begun is finished"


def test_the_power_is_cut_when_the_machine_does_not_shut_down() -> None:
    assert turns(waiting("TurningOff", 59)) == [Switch.SHUT_DOWN]
    assert turns(waiting("TurningOff", 60)) == [Switch.CUT]
    assert turns(says(waiting("TurningOff", 60), None, TROUBLE)) == [Switch.CUT]
    assert turns(waiting("TurningOn", 5, ready=False)) == [Switch.TURN_ON]
    assert turns(waiting("Waiting", 5)) == turns(waiting("KeptOff", 5)) == []


def test_nothing_is_switched_before_its_step_is_stored() -> None:
    plan = decide([says(waiting("Waiting", 5), Power.ON)])
    assert plan.nodes["a"].record.power is not None and plan.nodes["a"].record.power.step == "TurningOff"
    assert not [action for action in plan.actions if isinstance(action, Turn)]


def test_pods_that_an_uncordon_let_in_are_sent_away_before_the_power_goes() -> None:
    open_again = waiting("TurningOff", 5, cordoned=False, cordon_written_by_us=False)
    actions = decide([open_again]).actions
    assert Cordon("a") in actions and not [a for a in actions if isinstance(a, Turn)]
    pod = a_pod("a", "late")
    actions = decide([replace(waiting("TurningOff", 5), pods=(pod,))]).actions
    assert Evict(pod) in actions and not [a for a in actions if isinstance(a, Turn)]


def test_the_operators_own_pod_goes_last() -> None:
    own, other = a_pod("a", "operator", own=True), a_pod("a", "other")
    drained = view("a", old(), pods=(own, other), **{**OURS, **BMC})
    evicted = [action.pod.name for action in decide([drained]).actions if isinstance(action, Evict)]
    assert evicted == ["other"]
    evicted = [a.pod.name for a in decide([replace(drained, pods=(own,))]).actions if isinstance(a, Evict)]
    assert evicted == ["operator"]


def test_a_person_is_told_what_to_do_and_that_a_reboot_was_not_enough() -> None:
    manual = {"powerCycle": {"provider": "manual"}}
    told = decide([waiting("Waiting", 5)], **manual).nodes["a"]
    assert str(told.reason) == "PowerCycleRequired"
    assert told.message == "power-cycle a (a reboot is not enough): switch it off, wait 10 s, switch it on."
    restarted = waiting("Waiting", 5, boot_id="second")
    first = decide([restarted], **manual).nodes["a"]
    assert first.message == "a was restarted; its agent is asked what its cards run now.", "its report is of before"
    assert first.record.power is not None and first.record.power.generation > restarted.card_node.metadata.generation
    again = decide([waiting("Waiting", 5, asked="second", boot_id="second")], **manual).nodes["a"]
    assert again.message.startswith("a was restarted, and 0000:3b:00.0 still runs 1.1.0: power-cycle a")


def test_a_pool_that_goes_holds_on_to_machines_that_may_be_off_and_to_no_others() -> None:
    gone = a_pool(upgradePolicy={"powerCycle": REDFISH})
    gone = gone.model_copy(update={"metadata": gone.metadata.model_copy(update={"deletion_timestamp": "now"})})
    off = says(waiting("TurningOn", 5, ready=False), Power.OFF)
    idle = view("b", card())
    facts = pool_facts(gone, off, idle)
    decision = decide_pool(facts)
    assert set(decision.card_nodes) == {"a"} and set(decision.machines) == {"a"} and decision.hold
    assert [node.metadata.name for node in decision.remove] == ["b"]
    for seconds, step in ((5, "TurningOn"), (300, "TurnedOn")):
        # Its kubelet is waited for: a controller may be another machine's.
        on = says(waiting("TurningOn", seconds, ready=False), Power.ON)
        power = decide_pool(pool_facts(gone, on, idle)).card_nodes["a"].record.power
        assert power is not None and power.step == step


def test_the_pool_names_the_node_whose_controller_gives_trouble() -> None:
    found = says(waiting("TurningOff", 5), None, TROUBLE)
    status = decide_pool(pool_facts(a_pool(upgradePolicy={"powerCycle": REDFISH}), found)).status
    conditions = {condition.type: condition for condition in status.conditions}
    assert (conditions["Degraded"].status, conditions["Degraded"].reason) == ("True", "PowerControllerFailed")
    assert conditions["Degraded"].message == f"a: The power controller of a: {TROUBLE}. It is asked again."
    assert conditions["Progressing"].status == "False"
