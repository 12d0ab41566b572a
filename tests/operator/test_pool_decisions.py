"""Decisions about pools: facts in, sentences out."""

from typing import Any

from gharial_api import AsrCardNode
from gharial_api.words import names
from gharial_operator.facts import NodeFacts, PoolFacts
from gharial_operator.policies.pool import PoolDecision, decide_pool
from machines import card
from pool_facts import NOW, a_card_node, a_model, a_node, a_pool, failed, old


def decide(*card_nodes: AsrCardNode, nodes: list[NodeFacts] | None = None, **spec: Any) -> PoolDecision:
    cluster = [a_node(node.metadata.name) for node in card_nodes] if nodes is None else nodes
    return decide_pool(PoolFacts(a_pool(**spec), NOW, tuple(cluster), card_nodes))


def said(decision: PoolDecision, kind: str) -> tuple[str, str, str]:
    found = next(c for c in decision.status.conditions if c.type == kind)
    return found.status, found.reason, found.message


def test_a_ready_pool_says_what_it_carries() -> None:
    decision = decide(a_card_node("a", card()), a_card_node("b", card(streams={"capacity": 16, "used": 5})))
    assert said(decision, "Ready") == (
        "True",
        "CardsReady",
        "2 of 2 cards on 2 nodes run bitstream 1.2.0 and carry 32 streams, 5 in use.",
    )
    assert said(decision, "LicencesValid")[:2] == ("True", "LicencesValid")
    assert said(decision, "Degraded")[0] == said(decision, "Progressing")[0] == "False"


def reporting(node: AsrCardNode, reason: str) -> AsrCardNode:
    """The node with an agent that is not content."""
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": reason,
        "message": "The bitstream has sha256 1…, wanted 2….",
        "lastTransitionTime": NOW.isoformat(),
    }
    status = {**node.status.to_json(), "conditions": [condition]}
    return AsrCardNode.model_validate({**node.to_json(), "status": status})


def test_a_bitstream_that_cannot_be_had_degrades_a_pool_that_serves_on() -> None:
    decision = decide(reporting(a_card_node("a", old(phase="Ready")), "ChecksumMismatch"))
    assert said(decision, "Degraded") == ("True", "ChecksumMismatch", "a: The bitstream has sha256 1…, wanted 2….")


def test_the_words_of_the_agent_reach_the_pool() -> None:
    node = reporting(a_card_node("a", old(phase="Pending")), "ChecksumMismatch")
    status, reason, message = said(decide(node), "Ready")
    assert (status, reason) == ("False", "ChecksumMismatch")
    assert message == "a: The bitstream has sha256 1…, wanted 2…."


def test_a_broken_card_degrades_the_pool_and_is_named_while_the_rest_is_ready() -> None:
    broken = card("0000:5e:00.0", phase="Failed", health="Unhealthy", healthMessage="It is too hot.")
    decision = decide(a_card_node("a", card(), broken))
    assert said(decision, "Degraded") == (
        "True",
        "CardUnhealthy",
        "1 of 2 cards broken: a 0000:5e:00.0. It is too hot.",
    )
    assert said(decision, "Ready")[0] == "True"


def test_a_failed_flash_is_told_with_the_tools_words() -> None:
    decision = decide(a_card_node("a", failed(1, 10)))
    assert said(decision, "Degraded")[1] == "FlashFailed"
    assert "The flash tool ended with status 3." in said(decision, "Degraded")[2]
    assert said(decision, "Progressing")[1] == "BackingOff"


def test_licence_troubles_are_told_worst_first() -> None:
    expired = card("0000:5e:00.0", licence={"state": "Expired"}, phase="Pending")
    missing = card(licence={"state": "Missing", "message": "No licence for 0123456789abcdef."}, phase="Pending")
    status, reason, message = said(decide(a_card_node("a", expired, missing)), "LicencesValid")
    assert (status, reason) == ("False", "LicenceMissing")
    assert message.endswith("No licence for 0123456789abcdef.")


def test_a_licence_that_ends_soon_is_valid_and_said() -> None:
    soon = card(licence={"state": "ExpiresSoon", "message": "The licence ends on 2026-12-01; ask the issuer."})
    status, reason, message = said(decide(a_card_node("a", card("0000:5e:00.0"), soon)), "LicencesValid")
    assert (status, reason) == ("True", "LicenceExpiresSoon")
    assert message.startswith("1 of 2 cards with a licence that ends soon") and "2026-12-01" in message


def test_a_card_whose_licence_ends_soon_still_counts() -> None:
    decision = decide(a_card_node("a", card(licence={"state": "ExpiresSoon"}, streams={"capacity": 16})))
    assert (decision.status.cards.ready, decision.status.streams.capacity) == (1, 16)
    assert said(decision, "Ready")[0] == "True"


def test_drivers_without_licences_need_none() -> None:
    decision = decide(nodes=[a_node("a")], driver="cpu", bitstream=None, licences=None)
    assert said(decision, "LicencesValid")[1] == "LicencesNotNeeded"
    assert decision.card_nodes == {}


def test_a_lost_node_degrades_the_pool() -> None:
    decision = decide(a_card_node("a", card()), nodes=[a_node("a", ready=False)])
    assert said(decision, "Degraded")[:2] == ("True", "NodeNotReady")


def test_a_pool_that_is_being_deleted_waits_for_models_then_removes_its_nodes_then_lets_go() -> None:
    pool = a_pool()
    pool = pool.model_copy(update={"metadata": pool.metadata.model_copy(update={"deletion_timestamp": "2026-01-01"})})
    node = a_card_node("a", card())
    used = decide_pool(PoolFacts(pool, NOW, (a_node("a"),), (node,), models=(a_model(),)))
    assert (used.hold, used.remove) == (True, ())
    assert said(used, "Ready")[1] == "InUseByModels"
    free = decide_pool(PoolFacts(pool, NOW, (a_node("a"),), (node,)))
    assert (free.hold, free.remove, free.card_nodes) == (True, (node,), {})
    assert not decide_pool(PoolFacts(pool, NOW, (a_node("a"),))).hold


def test_a_node_held_by_another_pools_object_is_not_touched_until_it_is_let_go() -> None:
    decision = decide(a_card_node("a", card(), pool_name="other"), nodes=[a_node("a")])
    assert decision.card_nodes == {} and decision.remove == ()
    assert said(decision, "Ready")[1] == "NodeClaimedByOtherPool"


def test_the_time_of_a_transition_stays_while_the_status_stays() -> None:
    first = decide(a_card_node("a", card()))
    pool = a_pool().model_copy(update={"status": first.status})
    later = PoolFacts(pool, NOW.replace(hour=18), (a_node("a"),), (a_card_node("a", card()),))
    assert decide_pool(later).status == first.status


def test_long_lists_of_names_are_cut() -> None:
    assert names(["a"]) == "a"
    assert names(["a", "b", "c"]) == "a, b and c"
    assert names(str(i) for i in range(8)) == "0, 1, 2, 3, 4 and 3 more"
