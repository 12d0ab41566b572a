"""What the operator asks of whatever holds a machine's power switch.

Nothing here waits: a request is answered at once, and the machine is looked at again later. So an operator that dies in
the middle goes on where the machine stands.
"""

from enum import StrEnum
from typing import Protocol


class Power(StrEnum):
    """A machine's power, as its controller reports it."""

    ON = "On"
    OFF = "Off"
    CHANGING = "Changing"


class Switch(StrEnum):
    """What can be asked for. SHUT_DOWN lets the operating system end, CUT takes the power away whatever it does."""

    SHUT_DOWN = "ShutDown"
    CUT = "Cut"
    TURN_ON = "TurnOn"


class PowerError(RuntimeError):
    """The controller refused, failed or did not answer; the message names it and the remedy."""


class PowerController(Protocol):
    """One machine's power switch. Methods take seconds at most and raise PowerError."""

    def power(self) -> Power:
        """Whether the machine has power now."""

    def ask(self, switch: Switch) -> None:
        """Asks for a change and returns before it has happened; harmless when it is so already."""
