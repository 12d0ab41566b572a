"""Are the cards of a pool licensed? One verdict, with the worst case first and the card named."""

from collections.abc import Sequence

from gharial_api import AsrCardNode, AsrCardPool
from gharial_api.conditions import Reason
from gharial_api.node import LICENCE_REASONS
from gharial_api.words import count, names

from gharial_operator.policies.cards import PlacedCard, licensed, placed
from gharial_operator.policies.verdict import Verdict, no, yes

#: What is wrong in each state, and the remedy.
_TROUBLES = {
    "Missing": ("without a licence", "Add a Secret with one to spec.licences"),
    "WrongCard": ("without a licence of its own", "Add one for this id"),
    "BadSignature": ("with a licence that was changed or forged", "Fetch it again"),
    "Expired": ("with a licence that has run out", "Renew it"),
    "VersionExceeded": ("with a licence too old for the bitstream", "Renew it, or set an older spec.bitstream.version"),
    "ReleaseDateExceeded": ("with a licence for older releases", "Renew it, or set an older spec.bitstream.version"),
}


def licences(pool: AsrCardPool, card_nodes: Sequence[AsrCardNode]) -> Verdict:
    """Verdict for LicencesValid."""
    if pool.spec.driver not in {"achronix", "simulated"}:
        return yes(Reason.LICENCES_NOT_NEEDED, f"Driver {pool.spec.driver} needs no licence.")
    cards = list(placed(card_nodes))
    if not cards:
        return Verdict("Unknown", Reason.NO_CARDS_FOUND, "No card has been found yet.")
    for state, reason in LICENCE_REASONS.items():
        bad = [card for card in cards if card.card.licence and card.card.licence.state == state]
        if bad:
            return no(reason, _sentence(bad, len(cards), *_TROUBLES[state]))
    unknown = [card for card in cards if card.card.licence is None]
    if unknown:
        return Verdict("Unknown", Reason.WAITING_FOR_CARDS, f"{count(len(unknown), 'card')} not checked yet.")
    ending = [card for card in cards if card.card.licence and card.card.licence.state == "ExpiresSoon"]
    if ending:
        return yes(
            Reason.LICENCE_EXPIRES_SOON, _sentence(ending, len(cards), "with a licence that ends soon", "Renew it")
        )
    return yes(Reason.LICENCES_VALID, f"All licences are valid: {count(sum(licensed(c.card) for c in cards), 'card')}.")


def _sentence(bad: Sequence[PlacedCard], total: int, trouble: str, remedy: str) -> str:
    """`1 of 2 cards without a licence: node-a 0000:3b:00.0 (id 0123…). Remedy.`"""
    named = names(f"{card.label} (id {card.card.unique_id})" for card in bad)
    said = next((card.card.licence.message for card in bad if card.card.licence and card.card.licence.message), None)
    return f"{len(bad)} of {count(total, 'card')} {trouble}: {named}. {said or remedy + '.'}"
