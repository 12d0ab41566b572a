"""What the agent asks of cards, whatever they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from gharial_wire.licence import Bitstream

JsonObject = dict[str, Any]


class CardError(RuntimeError):
    """The hardware refused or failed; the message is fit for a status."""


@dataclass(frozen=True)
class Card:
    """A card on the PCI bus, as read just now.

    pci_address such as 0000:25:00.0; jtag_id: its name on the JTAG chain, empty while that is unknown; bitstream: the
    live one, None when the card does not tell; health_message is empty while the card is healthy; remark: what a
    healthy card's owner should know; streams: real-time streams, capacity and used (None: the card does not tell);
    slot: as printed beside the physical slot, link: such as x16 of x16 at 16.0 GT/s, both empty where unknown.
    """

    unique_id: str
    pci_address: str
    jtag_id: str
    bitstream: Bitstream | None
    health_message: str
    streams_capacity: int
    streams_used: int | None
    numa_node: int = -1
    remark: str = ""
    slot: str = ""
    link: str = ""


@dataclass(frozen=True)
class Inventory:
    """The cards on the bus now, and a sentence on each one that is there but cannot be told apart or read."""

    cards: tuple[Card, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class FlashTarget:
    """The card to flash, as it was last seen. alone: no other card of the driver was ever seen on this node."""

    unique_id: str
    jtag_id: str
    alone: bool


@dataclass(frozen=True)
class ToolRun:
    """One run of a flash tool, which runs to its end whatever happens to the agent.

    name says what it does; stdin: the file that it reads as its standard input; share: its part of the progress of
    the whole flash, in any unit; proof: the line that it prints when it has done everything, empty where its exit
    status tells.
    """

    name: str
    command: tuple[str, ...]
    stdin: Path | None = None
    share: int = 0
    proof: str = ""


class CardDriver(Protocol):
    """One kind of card. Methods raise CardError; none of them decides anything."""

    def inventory(self) -> Inventory:
        """Looks at the bus."""

    def describe(self, image: bytes) -> Bitstream:
        """Version and release date of a bitstream file. Raises CardError when the file is none."""

    def flash_runs(self, target: FlashTarget, image: bytes, folder: Path) -> Sequence[ToolRun]:
        """The runs that write and verify a bitstream, in order; what they read is put into `folder`."""

    def progress(self, output: str) -> int | None:
        """How far the run is that has written this so far, in percent, if it tells."""

    def complaint(self, run: ToolRun, status: int, output: str) -> str:
        """Why a run that ended with this status has failed; empty when it did what it should."""

    def power_cycle(self, unique_id: str) -> None:
        """Takes the power away and gives it back; the card is off the bus on return. Raises CardError where a card has
        no switch of its own."""

    def deliver_licence(self, unique_id: str, document: bytes | None) -> None:
        """Hands the card its licence file, or takes it away; the same file twice is no work."""

    def container_edits(self, unique_id: str) -> JsonObject:
        """What a container needs for the card: a CDI containerEdits object."""


def last_line(output: str) -> str:
    """The last line of a tool's output that says something."""
    lines = (line.strip() for line in reversed(output.splitlines()))
    return next((line for line in lines if line), "no output")


def release_day(text: str) -> date:
    """A release date in a card's registers. Raises CardError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CardError(f"the card reports the release date {text!r}, which is no date") from None
