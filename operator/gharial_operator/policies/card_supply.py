"""How many cards a model could run on, and why the others do not count."""

from dataclasses import dataclass

from gharial_api import AsrCardPool
from gharial_api.node import Card

from gharial_operator.facts import ModelFacts
from gharial_operator.policies.cards import PlacedCard, broken, fit_versions, licensed, placed, usable
from gharial_operator.policies.machines import MANAGED_DRIVERS, machine_cards
from gharial_operator.policies.words import names


@dataclass(frozen=True)
class Supply:
    """Cards of a pool, from the point of view of one model."""

    usable: int = 0
    total: int = 0
    #: Cards that other models on the pool want.
    taken: int = 0
    #: Why some do not count; empty when all do.
    why: str = ""


def supply(facts: ModelFacts) -> Supply:
    """What the model's pool has to offer."""
    pool = facts.pool
    if pool is None:
        return Supply()
    taken = sum(model.spec.replicas for model in facts.neighbours if model.metadata.deletion_timestamp is None)
    if pool.spec.driver not in MANAGED_DRIVERS:
        total = machine_cards(pool, facts.cluster_nodes)
        return Supply(total, total, taken, "" if total else _pool_says(pool))
    cards = list(placed(facts.card_nodes))
    fit = fit_versions(pool, facts.card_nodes)
    good = [card for card in cards if usable(card.card) and not _behind(fit, card.card)]
    bad = [f"{card.label} {_trouble(fit, card)}" for card in cards if card not in good]
    why = f"Not usable: {names(bad)}." if bad else ("" if cards else _pool_says(pool))
    return Supply(len(good), len(cards), taken, why)


def _behind(fit: tuple[str, ...], card: Card) -> bool:
    return bool(fit) and card.bitstream not in fit


def _trouble(fit: tuple[str, ...], placed_card: PlacedCard) -> str:
    """Why a card is not usable, in a few words."""
    card = placed_card.card
    if not licensed(card) and card.licence is not None:
        return f"(licence {card.licence.state})"
    if broken(card):
        return f"({card.phase}, {card.health})"
    if _behind(fit, card):
        return f"(bitstream {card.bitstream or 'none'}, wanted {fit[0]})"
    return f"({card.phase})"


def _pool_says(pool: AsrCardPool) -> str:
    """The pool's own explanation."""
    said = next((c.message for c in pool.status.conditions if c.type == "Ready" and c.status != "True"), "")
    return f"The pool says: {said}" if said else ""
