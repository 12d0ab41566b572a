"""What a decision is made from: plain values, gathered elsewhere."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from gharial_api.rollout import SWITCHING, PowerStep
from gharial_wire.licence import Bitstream, Judgement

from gharial_agent.cards.protocol import Card
from gharial_agent.store import CardRecord

OperationKind = Literal["Fetch", "Flash", "PowerCycle"]


@dataclass(frozen=True)
class Target:
    """The bitstream that is wanted; sha256 of its file in hex."""

    version: str
    sha256: str


@dataclass(frozen=True)
class Desired:
    """The spec, as far as decisions need it. hold_reason says in the operator's words why flashing waits.

    whole_machine: cards get their power from the machine, and somebody else switches that; power: how far that is.
    """

    target: Target | None
    may_flash: bool
    hold_reason: str = ""
    whole_machine: bool = False
    power: PowerStep | None = None

    @property
    def power_may_go(self) -> bool:
        """Whether the machine may lose its power at any moment: nothing is written then."""
        return self.whole_machine and self.power not in (None, "TurnedOn")

    @property
    def power_goes(self) -> bool:
        """Whether the machine is on its way off and on again: nothing holds that up, and what is whole becomes live."""
        return self.whole_machine and self.power in SWITCHING


@dataclass(frozen=True)
class Image:
    """The wanted bitstream's file on this node.

    Without release_date there is no file yet; reason and message then say why, if fetching it was tried. retry_at:
    seconds since 1970 before which it is not tried again.
    """

    release_date: date | None = None
    reason: str = ""
    message: str = ""
    retry_at: float = 0.0


@dataclass(frozen=True)
class Operation:
    """What the agent's one pair of hands is doing. card_id is empty for Fetch; progress in percent.

    heard: seconds since 1970 at which the flash tool last said something, or was started; 0 while none runs.
    """

    kind: OperationKind
    card_id: str = ""
    progress: int = 0
    note: str = ""
    heard: float = 0.0


@dataclass(frozen=True)
class CardFacts:
    """One card. card is None while it is not on the bus; claimed: a pod on this node holds it.

    licence: judged for the live bitstream (for the target while the card is off the bus); target_licence: judged for
    the target, or None without one. licence_message: what is wrong with it, and the remedy.
    """

    unique_id: str
    record: CardRecord
    card: Card | None
    claimed: bool
    licence: Judgement
    licence_message: str = ""
    target_licence: Judgement | None = None

    @property
    def live(self) -> Bitstream | None:
        """The bitstream that the card runs; None while it is off the bus or does not tell."""
        return self.card.bitstream if self.card else None


@dataclass(frozen=True)
class NodeFacts:
    """The node's cards that belong to the pool, and what the agent is busy with.

    unread: sentences on cards that are there and cannot be used because nobody knows which they are.
    """

    cards: tuple[CardFacts, ...]
    image: Image
    operation: Operation | None = None
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """How patient the agent is, in seconds. The operator's own, longer pauses come on top, by way of Hold."""

    backoff_seconds: float = 5.0
    longest_backoff_seconds: float = 600.0
    boot_seconds: float = 120.0
    silence_seconds: float = 60.0

    def pause_after(self, attempt: int) -> float:
        """The pause after a failed attempt; it doubles each time."""
        return min(self.backoff_seconds * 2.0 ** (attempt - 1), self.longest_backoff_seconds)
