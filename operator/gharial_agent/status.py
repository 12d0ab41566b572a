"""AsrCardNode's status from facts and verdicts. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from gharial_api.bitstream import BitstreamVersions
from gharial_api.conditions import Condition, ConditionType, Reason
from gharial_api.node import (
    BUSY_PHASES,
    LICENCE_REASONS,
    AsrCardNode,
    Card,
    CardLicence,
    CardStreams,
    LastFlash,
    NodeStatus,
)
from gharial_wire.licence import LicenceState

from gharial_agent.decide.facts import CardFacts, NodeFacts
from gharial_agent.decide.verdict import Verdict
from gharial_agent.store import Step


@dataclass(frozen=True)
class Aspect:
    """A condition's content."""

    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str


def node_status(node: AsrCardNode, facts: NodeFacts, verdicts: Mapping[str, Verdict], now: datetime) -> NodeStatus:
    """The whole status, as of now (UTC)."""
    cards = [card_status(card, verdicts[card.unique_id]) for card in facts.cards]
    aspects = {
        ConditionType.READY: ready(node, facts, verdicts),
        ConditionType.PROGRESSING: progressing(facts, verdicts),
        ConditionType.LICENCES_VALID: licences_valid(facts),
    }
    before = {condition.type: condition for condition in node.status.conditions}
    current = sorted({card.bitstream for card in cards if card.bitstream})
    usable = sum(card.phase == "Ready" for card in cards)
    return NodeStatus(
        observed_generation=node.metadata.generation,
        conditions=[
            condition(kind, aspect, before.get(kind), node.metadata.generation, now) for kind, aspect in aspects.items()
        ],
        bitstream=BitstreamVersions(
            current=", ".join(current), target=node.spec.bitstream.version if node.spec.bitstream else ""
        ),
        cards=cards,
        summary=f"{usable}/{len(cards)}",
    )


def ready(node: AsrCardNode, facts: NodeFacts, verdicts: Mapping[str, Verdict]) -> Aspect:
    """Whether every card does what the spec asks for; else the worst card's own words."""
    if facts.unread and not needs_a_person(verdicts):
        return Aspect("False", Reason.CARD_UNHEALTHY, " ".join(facts.unread))
    if not facts.cards:
        message = f"No card of driver {node.spec.driver} was found on {node.spec.node_name}."
        return Aspect("False", Reason.NO_CARDS_FOUND, message)
    open_cases = [verdict for verdict in verdicts.values() if verdict.reason != Reason.AS_EXPECTED]
    if not open_cases:
        what = "The card is" if len(facts.cards) == 1 else f"All {len(facts.cards)} cards are"
        return Aspect("True", Reason.CARDS_READY, f"{what} up to date, licensed and published for scheduling.")
    worst = min(open_cases, key=gravity)
    others = len(open_cases) - 1
    more = f" {others} more of {len(facts.cards)} cards are not as they should be." if others else ""
    return Aspect("False", worst.reason, f"{worst.message}{more}")


def needs_a_person(verdicts: Mapping[str, Verdict]) -> bool:
    """Whether a card has failed."""
    return any(verdict.phase == "Failed" for verdict in verdicts.values())


def gravity(verdict: Verdict) -> int:
    """Orders verdicts: what needs a person comes first, what merely takes time last."""
    if verdict.phase == "Failed" or verdict.reason == Reason.FLASH_TOOL_SILENT:
        return 0
    waiting = verdict.reason in {Reason.WAITING_FOR_CARDS, Reason.WAITING_FOR_STREAMS}
    return 2 if waiting or verdict.phase in BUSY_PHASES else 1


def progressing(facts: NodeFacts, verdicts: Mapping[str, Verdict]) -> Aspect:
    """Whether the agent is at work or about to be."""
    moving = [v for v in verdicts.values() if v.phase in BUSY_PHASES or v.phase == "WaitingForStreams" or at_work(v)]
    if moving:
        return Aspect("True", moving[0].reason, moving[0].message)
    if facts.operation is not None:
        return Aspect("True", Reason.WAITING_FOR_CARDS, "The bitstream is being fetched.")
    return Aspect("False", Reason.AS_EXPECTED, "Nothing is under way.")


def at_work(verdict: Verdict) -> bool:
    """Whether something is about to be done to the card beyond writing down that it serves."""
    return verdict.action is not None and verdict.reason != Reason.AS_EXPECTED


def licences_valid(facts: NodeFacts) -> Aspect:
    """Whether every card is licensed for what it runs; a licence that ends soon is said, too."""
    if not facts.cards:
        return Aspect("Unknown", Reason.NO_CARDS_FOUND, "No card was found.")
    for card in facts.cards:
        if not card.licence.state.allows_running:
            message = f"Card {card.unique_id} at {card.record.pci_address}: {card.licence_message}"
            return Aspect("False", LICENCE_REASONS[card.licence.state.value], message)
    ending = [card for card in facts.cards if card.licence.state is LicenceState.EXPIRES_SOON]
    if ending:
        message = f"Card {ending[0].unique_id}: {ending[0].licence_message}"
        return Aspect("True", Reason.LICENCE_EXPIRES_SOON, message)
    return Aspect("True", Reason.LICENCES_VALID, "Every card has a valid licence.")


def condition(
    kind: ConditionType, aspect: Aspect, before: Condition | None, generation: int, now: datetime
) -> Condition:
    """The condition; its transition time stays while its status stays."""
    same = before is not None and before.status == aspect.status
    return Condition(
        type=str(kind),
        status=aspect.status,
        reason=str(aspect.reason),
        message=aspect.message,
        last_transition_time=before.last_transition_time if before and same else now.replace(microsecond=0),
        observed_generation=generation,
    )


def card_status(facts: CardFacts, verdict: Verdict) -> Card:
    """One card's part."""
    card = facts.card
    return Card(
        pci_address=facts.record.pci_address,
        unique_id=facts.unique_id,
        slot=(card.slot if card else "") or None,
        link=(card.link if card else "") or None,
        bitstream=facts.live.version if facts.live else "",
        licence=card_licence(facts),
        health=health_of(facts),
        health_message=health_message(facts, verdict),
        streams=CardStreams(
            capacity=card.streams_capacity if card else 0,
            used=(card.streams_used if card else 0) or 0,
        ),
        last_flash=last_flash(facts),
        phase=verdict.phase,
    )


def health_of(facts: CardFacts) -> Literal["Healthy", "Unhealthy", "Unknown"]:
    """A card that we took off the bus ourselves is of unknown health, any other missing card is unhealthy."""
    if facts.card is not None:
        return "Unhealthy" if facts.card.health_message else "Healthy"
    return "Unknown" if facts.record.intent and facts.record.intent.active else "Unhealthy"


def health_message(facts: CardFacts, verdict: Verdict) -> str | None:
    """What is wrong with an unhealthy card, or what is to be known of a healthy one."""
    if health_of(facts) != "Unhealthy":
        return (facts.card.remark if facts.card else "") or None
    return facts.card.health_message if facts.card else verdict.message


def card_licence(facts: CardFacts) -> CardLicence:
    """The licence's part."""
    licence = facts.licence.licence
    return CardLicence(
        state=facts.licence.state.value,
        max_version=licence.max_version if licence else None,
        max_release_date=licence.max_release_date.isoformat() if licence else None,
        expires=licence.expires.isoformat() if licence and licence.expires else None,
        message=None if facts.licence.state is LicenceState.VALID else facts.licence_message,
    )


def last_flash(facts: CardFacts) -> LastFlash | None:
    """The flash under way, or the last one that ended."""
    intent, last = facts.record.intent, facts.record.last_flash
    if intent is not None and intent.step is not Step.FAILED:
        return LastFlash(
            attempt=intent.attempt, result="Running", time=moment(intent.time), version=intent.version, message=None
        )
    if last is None:
        return None
    return LastFlash(
        attempt=last.attempt,
        result="Succeeded" if last.succeeded else "Failed",
        time=moment(last.time),
        version=last.version,
        message=last.message or None,
    )


def moment(seconds: float) -> datetime:
    """Seconds since 1970 as a time without fractions."""
    return datetime.fromtimestamp(int(seconds), UTC)
