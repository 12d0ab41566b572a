"""Which nodes may flash: a table of single decisions, and properties of whole rollouts."""

from typing import Any

import pytest
from gharial_operator.policies.flashing import permissions
from gharial_operator.policies.rollout import NodeView
from hypothesis import given
from hypothesis import strategies as st
from machines import card
from pool_facts import NOW, a_node, a_pool, failed, flashed, old, view

BUSY = {"capacity": 16, "used": 1}

TABLE: dict[str, tuple[dict[str, Any], list[NodeView], dict[str, str]]] = {
    "no bitstream in the pool": ({"bitstream": None}, [view("a", old())], {"a": "AsExpected"}),
    "every card has it": ({}, [view("a", card())], {"a": "AsExpected"}),
    "one idle node": ({}, [view("a", old())], {"a": "FlashAllowed"}),
    "no report yet": ({}, [view("a")], {"a": "AgentNotReporting"}),
    "no object yet": ({}, [NodeView(a_node("a"), None)], {"a": "AgentNotReporting"}),
    "a node that serves streams": ({}, [view("a", old(streams=BUSY))], {"a": "WaitingForStreams"}),
    "a node that is lost": ({}, [view("a", old(), ready=False)], {"a": "NodeNotReady"}),
    "a node that an admin cordoned": ({}, [view("a", old(), cordoned=True)], {"a": "NodeCordonedByAdmin"}),
    "paused": ({"upgradePolicy": {"paused": True}}, [view("a", old(), flash="Allowed")], {"a": "PausedByAdmin"}),
    "paused after it has begun": (
        {"upgradePolicy": {"paused": True}},
        [view("a", old(phase="Flashing"), flash="Allowed")],
        {"a": "Flashing"},
    ),
    "one at a time": ({}, [view("a", old()), view("b", old())], {"a": "FlashAllowed", "b": "WaitingForBudget"}),
    "two at a time": (
        {"upgradePolicy": {"maxUnavailable": 2}},
        [view("a", old()), view("b", old()), view("c", old())],
        {"a": "FlashAllowed", "b": "FlashAllowed", "c": "WaitingForBudget"},
    ),
    "half of four": (
        {"upgradePolicy": {"maxUnavailable": "50%"}},
        [view(name, old()) for name in "abcd"],
        {"a": "FlashAllowed", "b": "FlashAllowed", "c": "WaitingForBudget", "d": "WaitingForBudget"},
    ),
    "a lost node uses up the budget": (
        {},
        [view("a", card(), ready=False), view("b", old())],
        {"a": "AsExpected", "b": "WaitingForBudget"},
    ),
    "a cordoned node leaves the others to go on": (
        {"upgradePolicy": {"maxUnavailable": 2}},
        [view("a", old(), cordoned=True), view("b", old())],
        {"a": "NodeCordonedByAdmin", "b": "FlashAllowed"},
    ),
    "who has begun goes first": (
        {},
        [view("a", old()), view("b", old(), flash="Allowed")],
        {"a": "WaitingForBudget", "b": "FlashAllowed"},
    ),
    "too few streams would be left": (
        {"upgradePolicy": {"minAvailableStreams": 17}},
        [view("a", old()), view("b", old())],
        {"a": "MinAvailableStreams", "b": "MinAvailableStreams"},
    ),
    "enough streams are left": (
        {"upgradePolicy": {"minAvailableStreams": 16}},
        [view("a", old()), view("b", old())],
        {"a": "FlashAllowed", "b": "WaitingForBudget"},
    ),
    "cards that never served cost no streams": (
        {"upgradePolicy": {"minAvailableStreams": 16}},
        [view("a", old(phase="Pending"))],
        {"a": "FlashAllowed"},
    ),
    "the canary goes alone": (
        {"upgradePolicy": {"maxUnavailable": 3, "canary": {"nodes": 1, "soakSeconds": 60}}},
        [view("a", old()), view("b", old())],
        {"a": "FlashAllowed", "b": "CanarySoaking"},
    ),
    "the canary is watched": (
        {"upgradePolicy": {"canary": {"nodes": 1, "soakSeconds": 60}}},
        [view("a", flashed(30)), view("b", old())],
        {"a": "AsExpected", "b": "CanarySoaking"},
    ),
    "the canary has been watched": (
        {"upgradePolicy": {"canary": {"nodes": 1, "soakSeconds": 60}}},
        [view("a", flashed(61)), view("b", old())],
        {"a": "AsExpected", "b": "FlashAllowed"},
    ),
    "a failure pauses the node": ({}, [view("a", failed(1, 10))], {"a": "BackingOff"}),
    "the pause doubles": ({}, [view("a", failed(2, 100))], {"a": "BackingOff"}),
    "after the pause it is tried again": ({}, [view("a", failed(1, 61))], {"a": "FlashAllowed"}),
    "no attempts left": (
        {"health": {"maxUnhealthyPercent": 100}},
        [view("a", failed(4, 9999))],
        {"a": "FlashFailed"},
    ),
    "the circuit breaker opens": (
        {"upgradePolicy": {"maxUnavailable": 3}},
        [view("a", failed(4, 9999)), view("b", old())],
        {"a": "CircuitBreakerOpen", "b": "CircuitBreakerOpen"},
    ),
}


@pytest.mark.parametrize(("spec", "views", "expected"), TABLE.values(), ids=TABLE.keys())
def test_decisions(spec: dict[str, Any], views: list[NodeView], expected: dict[str, str]) -> None:
    found, _ = permissions(a_pool(**spec), views, NOW)
    assert {name: str(permission.reason) for name, permission in found.items()} == expected


def test_raising_retries_closes_the_circuit_breaker_and_tries_again() -> None:
    views = [view("a", failed(4, 9999)), view("b", old())]
    stopped, _ = permissions(a_pool(), views, NOW)
    assert "raise spec.upgradePolicy.retries" in stopped["a"].message
    again, _ = permissions(a_pool(upgradePolicy={"retries": 9}), views, NOW)
    assert (again["a"].flash, again["b"].flash) == ("Allowed", "Hold")


def test_a_pause_says_when_to_look_again() -> None:
    _, recheck = permissions(a_pool(), [view("a", failed(1, 10))], NOW)
    assert recheck == 50.0


def seldom(value: Any, otherwise: Any) -> st.SearchStrategy[Any]:
    """Mostly the ordinary, now and then the odd: decisions are interesting where most nodes could be flashed."""
    return st.sampled_from([otherwise] * 7 + [value])


@st.composite
def nodes(draw: st.DrawFn) -> list[NodeView]:
    views = []
    for number in range(draw(st.integers(1, 6))):
        phase = draw(st.sampled_from(["Ready"] * 8 + ["Pending", "Flashing", "Failed", "Validating"]))
        report = card(
            bitstream=draw(seldom("1.2.0", "1.1.0")), phase=phase, streams={"capacity": 16, "used": draw(seldom(2, 0))}
        )
        one = view(
            f"n{number}",
            *draw(seldom([], [report])),
            flash=draw(seldom("Allowed", "Hold")),
            ready=draw(seldom(False, True)),
            cordoned=draw(seldom(True, False)),
        )
        views.append(one)
    return views


policies = st.fixed_dictionaries(
    {
        "paused": seldom(True, False),
        "maxUnavailable": st.one_of(st.integers(0, 4), st.sampled_from(["0%", "25%", "100%"])),
        "minAvailableStreams": st.sampled_from([0, 16, 48]),
        "canary": seldom({"nodes": 2, "soakSeconds": 10}, None),
    }
).map(lambda policy: {key: value for key, value in policy.items() if value is not None})


@given(nodes(), policies)
def test_no_decision_ever_breaks_a_promise(views: list[NodeView], policy: dict[str, Any]) -> None:
    pool = a_pool(upgradePolicy=policy, health={"maxUnhealthyPercent": 100})
    found, _ = permissions(pool, views, NOW)
    value = policy["maxUnavailable"]
    budget = max(1, value if isinstance(value, int) else int(value[:-1]) * len(views) // 100)

    def writing(one: NodeView) -> bool:
        return bool(one.card_node and any(c.phase in {"Flashing", "Validating"} for c in one.card_node.status.cards))

    def down(one: NodeView) -> bool:
        return not one.node.ready or one.node.cordoned or writing(one)

    fresh = [v for v in views if found[v.name].flash == "Allowed" and not writing(v)]
    granted = [v for v in fresh if v.card_node and v.card_node.spec.flash == "Hold"]
    assert not (policy["paused"] and fresh)
    for one in fresh:
        assert one.node.ready and not one.node.cordoned
        assert one.card_node and sum(c.streams.used for c in one.card_node.status.cards) == 0
        assert any(c.bitstream != "1.2.0" for c in one.card_node.status.cards)
    if granted:
        assert len(fresh) + sum(down(v) for v in views) <= budget


@given(st.lists(st.integers(0, 3), min_size=1, max_size=10), policies)
def test_every_rollout_ends_when_streams_end(streams: list[int], policy: dict[str, Any]) -> None:
    """Nodes lose one stream a round and flash when allowed: all of them get there, never too many at a time."""
    pool = a_pool(upgradePolicy={"maxUnavailable": policy["maxUnavailable"]})
    done = [False] * len(streams)
    allowed = [False] * len(streams)
    left = list(streams)
    for _ in range(sum(streams) + 2 * len(streams) + 2):
        views = [
            view(
                f"n{i}",
                card() if done[i] else old(streams={"capacity": 16, "used": left[i]}),
                flash="Allowed" if allowed[i] else "Hold",
            )
            for i in range(len(streams))
        ]
        found, _ = permissions(pool, views, NOW)
        for i in range(len(streams)):
            done[i] = done[i] or allowed[i]
            allowed[i] = found[f"n{i}"].flash == "Allowed" and not done[i]
            left[i] = max(0, left[i] - 1)
        if all(done):
            return
    raise AssertionError(f"stuck: {[str(permission.reason) for permission in found.values()]}")
