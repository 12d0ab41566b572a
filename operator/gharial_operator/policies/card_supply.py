"""How many cards a model could run on, and why the others do not count."""

from collections.abc import Sequence
from dataclasses import replace

from gharial_api import AsrCardNode, AsrCardPool
from gharial_api.node import Card
from gharial_api.words import names

from gharial_operator.facts import Offer
from gharial_operator.policies.cards import PlacedCard, broken, fit_versions, licensed, placed, usable
from gharial_operator.policies.machines import MANAGED_DRIVERS


def offer(pool: AsrCardPool, card_nodes: Sequence[AsrCardNode]) -> Offer:
    """What the pool has for its models.

    Args:
        pool: the pool; its status counts, where its cards are GPUs or cores.
        card_nodes: those that are its own.
    """
    if pool.spec.driver not in MANAGED_DRIVERS:
        # The pool has looked at its nodes, and at what other pods hold there.
        found = pool.status.cards
        return Offer(found.ready, found.total, _pool_says(pool, always=found.ready < found.total))
    fit = fit_versions(pool, card_nodes)
    good, bad = 0, []
    for card in placed(card_nodes):
        if usable(card.card) and not _behind(fit, card.card):
            good += 1
        else:
            bad.append(card)
    total = good + len(bad)
    why = f"Not usable: {names(f'{card.label} {_trouble(fit, card)}' for card in bad)}." if bad else ""
    return Offer(good, total, why or ("" if total else _pool_says(pool)), fit)


def as_models_see_it(found: Offer, demand: int) -> Offer:
    """The offer without what no model of the pool can notice: while there are cards for all, not how many.

    demand: replicas of all the pool's models.
    """
    return replace(found, usable=demand, total=demand, why="") if found.usable >= demand else found


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


def _pool_says(pool: AsrCardPool, always: bool = False) -> str:
    """The pool's own explanation; by default only of a pool that is not ready."""
    said = next((c.message for c in pool.status.conditions if c.type == "Ready" and (always or c.status != "True")), "")
    return f"The pool says: {said}" if said else ""
