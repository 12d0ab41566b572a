"""Gathers what a decision is made from: the bus, the records, the claims, the licences."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from gharial_api.bitstream import CardSelector
from gharial_api.node import NodeSpec
from gharial_wire.licence import Bitstream

from gharial_agent.bitstreams import BitstreamCache
from gharial_agent.cards.protocol import Card, CardDriver
from gharial_agent.claims import ClaimBook
from gharial_agent.decide.facts import CardFacts, Desired, Image, NodeFacts, Operation, Target
from gharial_agent.licences import CardLicence, judge_target, licence_of
from gharial_agent.store import CardRecord, Store


@dataclass(frozen=True)
class Observation:
    """The facts for a decision, and each card's licence file for the card itself."""

    facts: NodeFacts
    licences: dict[str, CardLicence]


@dataclass(frozen=True)
class LicenceInputs:
    """The pool's licence files, the issuer's public key, and today."""

    documents: Sequence[bytes]
    key: Ed25519PublicKey | None
    today: date


class Observer:
    """Looks at the node."""

    def __init__(self, store: Store, claims: ClaimBook, cache: BitstreamCache) -> None:
        self._store = store
        self._claims = claims
        self._cache = cache

    def look(
        self, driver: CardDriver, spec: NodeSpec, licences: LicenceInputs, operation: Operation | None
    ) -> Observation:
        """The node as it is now, as far as the pool's driver and card selector reach."""
        inventory = driver.inventory()
        on_bus = {card.unique_id: card for card in inventory.cards}
        for card in on_bus.values():
            self._store.seen(card.unique_id, card.pci_address, card.jtag_id, spec.driver)
        image = self._cache.image(spec.bitstream, driver) if spec.bitstream else Image()
        claimed = self._claims.claimed_cards()
        facts, found = [], {}
        for unique_id, record in sorted(self._store.cards().items(), key=lambda item: item[1].pci_address):
            if record.driver != spec.driver or not selected(spec.card_selector, unique_id, record.pci_address):
                continue
            here = on_bus.get(unique_id)
            card_licence = judged(unique_id, here, record, image, spec, licences)
            found[unique_id] = card_licence
            target = planned(image, spec)
            facts.append(
                CardFacts(
                    unique_id=unique_id,
                    record=record,
                    card=here,
                    claimed=unique_id in claimed,
                    licence=card_licence.judgement,
                    licence_message=card_licence.message,
                    target_licence=judge_target(card_licence.judgement, unique_id, target, licences.today)
                    if target
                    else None,
                )
            )
        return Observation(NodeFacts(tuple(facts), image, operation, inventory.unread), found)


def desired(spec: NodeSpec) -> Desired:
    """The spec as decisions need it."""
    bitstream = spec.bitstream
    target = Target(bitstream.version, bitstream.sha256) if bitstream else None
    power = spec.rollout.power.step if spec.rollout.power else None
    return Desired(target, spec.flash == "Allowed", spec.flash_reason, spec.power_cycle == "Machine", power)


def selected(selector: CardSelector, unique_id: str, pci_address: str) -> bool:
    """Whether the pool takes the card; an empty selector takes all."""
    if not selector.unique_ids and not selector.pci_addresses:
        return True
    return unique_id in selector.unique_ids or pci_address in selector.pci_addresses


def planned(image: Image, spec: NodeSpec) -> Bitstream | None:
    """The wanted bitstream, once its file tells the release date."""
    if spec.bitstream is None or image.release_date is None:
        return None
    return Bitstream(spec.bitstream.version, image.release_date)


def judged(
    unique_id: str, card: Card | None, record: CardRecord, image: Image, spec: NodeSpec, licences: LicenceInputs
) -> CardLicence:
    """The card's licence for what it runs; for what it shall run while it is off the bus or does not tell."""
    runs = card.bitstream if card else planned(image, spec)
    if runs is None:
        runs = Bitstream(record.in_service or "0.0.0", date.min)
    return licence_of(unique_id, runs, licences.documents, licences.key, licences.today)
