"""Where cards and their nodes stand, read from what the agents report."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from gharial_api import AsrCardNode, AsrCardPool
from gharial_api.node import BUSY_PHASES, LICENCE_REASONS, Card


class Stage(Enum):
    """Where a node stands on its way to the wanted bitstream."""

    UNREPORTED = "unreported"
    DONE = "done"
    WANTS = "wants"
    BUSY = "busy"
    FAILED = "failed"
    #: Cards that lack the bitstream are dead: nothing can be written to them.
    BROKEN = "broken"


@dataclass(frozen=True)
class PlacedCard:
    """A card and the node it sits in."""

    node: str
    card: Card

    @property
    def label(self) -> str:
        """`node-a 0000:3b:00.0`."""
        return f"{self.node} {self.card.pci_address}"


def placed(nodes: Iterable[AsrCardNode]) -> Iterator[PlacedCard]:
    """Every card of these nodes."""
    for node in nodes:
        for card in node.status.cards:
            yield PlacedCard(node.spec.node_name, card)


def licensed(card: Card) -> bool:
    """Whether the card may run what it holds."""
    return card.licence is None or card.licence.state not in LICENCE_REASONS


def broken(card: Card) -> bool:
    """Whether somebody has to look at the card."""
    return card.health == "Unhealthy" or card.phase == "Failed"


def usable(card: Card) -> bool:
    """Whether a pod can run on the card."""
    return card.phase == "Ready" and card.health != "Unhealthy" and licensed(card)


def streams_used(node: AsrCardNode) -> int:
    """Streams that the node's cards serve."""
    return sum(card.streams.used for card in node.status.cards)


def usable_streams(node: AsrCardNode) -> int:
    """Streams that the node's usable cards can carry."""
    return sum(card.streams.capacity for card in node.status.cards if usable(card))


def fit_versions(pool: AsrCardPool, nodes: Iterable[AsrCardNode]) -> tuple[str, ...]:
    """Bitstream versions on which the pool's models may run: the wanted one, and those that nodes proved good before.

    A pod that must move while a rollout goes on, or after one was rolled back, finds a card of either kind.
    """
    if pool.spec.bitstream is None:
        return ()
    proved = {node.spec.rollout.last_good.version for node in nodes if node.spec.rollout.last_good}
    return (pool.spec.bitstream.version, *sorted(proved - {pool.spec.bitstream.version}))


def stage(node: AsrCardNode | None, target: str | None) -> Stage:
    """Where a node stands; without a target every node that reports is done."""
    if node is None or (not node.status.observed_generation and not node.status.cards):
        return Stage.UNREPORTED
    cards = node.status.cards
    if any(card.phase in BUSY_PHASES for card in cards):
        return Stage.BUSY
    behind = [card for card in cards if target is not None and card.bitstream != target]
    if not behind:
        return Stage.DONE
    return Stage.FAILED if any(failed(card, target) for card in behind) else Stage.WANTS


def failed(card: Card, target: str | None) -> bool:
    """Whether the last attempt at this bitstream failed."""
    last = card.last_flash
    return last is not None and last.result == "Failed" and last.version in {None, target}
