"""What a decision is: where each card stands, in words, and what is done next."""

from dataclasses import dataclass
from enum import StrEnum

from gharial_api.node import CardPhase

from gharial_agent.decide.facts import Target


class Taint(StrEnum):
    """How hard a card pushes pods away."""

    NONE = ""
    NO_SCHEDULE = "NoSchedule"
    NO_EXECUTE = "NoExecute"


@dataclass(frozen=True)
class Fetch:
    """Fetch the wanted bitstream and check it."""

    target: Target


@dataclass(frozen=True)
class Flash:
    """Write the wanted bitstream into a card."""

    card_id: str
    target: Target
    attempt: int


@dataclass(frozen=True)
class PowerCycle:
    """Make what was written live."""

    card_id: str


@dataclass(frozen=True)
class HadPower:
    """Note that the machine was power-cycled: the card has so long to come back from now on."""

    card_id: str


@dataclass(frozen=True)
class Succeed:
    """Note that the card came back with what was written."""

    card_id: str


@dataclass(frozen=True)
class Fail:
    """Note that an attempt failed."""

    card_id: str
    reason: str
    message: str


@dataclass(frozen=True)
class TakeIntoService:
    """Note that the card serves with this version."""

    card_id: str
    version: str


Action = Fetch | Flash | PowerCycle | HadPower | Succeed | Fail | TakeIntoService
#: Actions that take long and need the agent's one pair of hands.
LONG_ACTIONS = (Fetch, Flash, PowerCycle)


@dataclass(frozen=True)
class Verdict:
    """Where one card stands. reason: a word of `gharial_api.conditions.Reason`."""

    phase: CardPhase
    reason: str
    message: str
    taint: Taint = Taint.NONE
    action: Action | None = None

    @property
    def servable(self) -> bool:
        """Whether new pods may be given the card."""
        return self.taint is Taint.NONE


@dataclass(frozen=True)
class Plan:
    """The verdict on every card, and what to do now, in order; at most one of the actions is a long one."""

    verdicts: dict[str, Verdict]
    actions: tuple[Action, ...]
