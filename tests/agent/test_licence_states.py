"""Whatever is wrong with a licence has its own condition, its own event and its own metric."""

from datetime import UTC, date, datetime, timedelta

import pytest
from gharial_agent.agent import count_licences
from gharial_agent.cards.protocol import Card
from gharial_agent.decide.facts import CardFacts, Desired, Image, Limits, NodeFacts
from gharial_agent.decide.node import decide
from gharial_agent.events import event_about
from gharial_agent.status import node_status
from gharial_agent.store import CardRecord
from gharial_api import AsrCardNode
from gharial_wire.licence import Bitstream, Judgement, Licence, LicenceState
from licence_troubles import TROUBLES
from prometheus_client import REGISTRY

ID = "0123456789abcdef"
LIVE = Bitstream("1.14.0", date(2026, 1, 1))
TODAY = date(2026, 6, 1)
NODE = AsrCardNode.model_validate(
    {
        "metadata": {"name": "node-a"},
        "spec": {"poolRef": {"name": "cards"}, "nodeName": "node-a", "driver": "simulated"},
    }
)


def a_card(state: LicenceState, days: int | None = None) -> CardFacts:
    """A card in service whose licence was judged so, with so many days left."""
    ends = None if days is None else TODAY + timedelta(days=days)
    licence = Licence(
        card_id=ID, max_version="1.14.0", max_release_date=LIVE.release_date, issued=date(2026, 1, 1), expires=ends
    )
    card = Card(ID, "0000:25:00.0", 1, LIVE, "", 16, 0)
    record = CardRecord("0000:25:00.0", 1, in_service=LIVE.version)
    return CardFacts(ID, record, card, False, Judgement(state, licence), "What is wrong.")


@pytest.mark.parametrize(("state", "reason"), TROUBLES)
def test_each_trouble_is_a_condition_an_event_and_a_metric_of_its_own(state: LicenceState, reason: str) -> None:
    facts = NodeFacts((a_card(state),), image=Image())
    verdicts = decide(facts, Desired(None, False), 0.0, Limits()).verdicts
    found = {c.type: c for c in node_status(NODE, facts, verdicts, datetime.now(UTC)).conditions}
    assert (found["LicencesValid"].status, found["LicencesValid"].reason) == ("False", reason)
    assert found["Ready"].reason == reason
    event = event_about(NODE, "node-a", verdicts[ID])
    assert (event["type"], event["reason"]) == ("Warning", reason)
    assert "What is wrong." in event["message"]
    count_licences(facts.cards, TODAY)
    assert REGISTRY.get_sample_value("gharial_agent_licences", {"state": str(state)}) == 1


def test_a_licence_that_ends_soon_is_said_counted_and_still_holds() -> None:
    facts = NodeFacts((a_card(LicenceState.EXPIRES_SOON, 30),), image=Image())
    verdicts = decide(facts, Desired(None, False), 0.0, Limits()).verdicts
    found = {c.type: c for c in node_status(NODE, facts, verdicts, datetime.now(UTC)).conditions}
    assert (found["LicencesValid"].status, found["LicencesValid"].reason) == ("True", "LicenceExpiresSoon")
    assert verdicts[ID].servable
    event = event_about(NODE, "node-a", verdicts[ID])
    assert event["type"] == "Normal"
    count_licences(facts.cards, TODAY)
    assert REGISTRY.get_sample_value("gharial_agent_licences", {"state": "ExpiresSoon"}) == 1
    assert REGISTRY.get_sample_value("gharial_agent_licence_days_left", {"unique_id": ID}) == 30
