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

    pci_address such as 0000:25:00.0; jtag_id: its number on the JTAG chain; bitstream: the live one;
    health_message is empty while the card is healthy; streams: real-time streams, capacity and used.
    """

    unique_id: str
    pci_address: str
    jtag_id: int
    bitstream: Bitstream
    health_message: str
    streams_capacity: int
    streams_used: int
    numa_node: int = -1
    link_width: int = 0


@dataclass(frozen=True)
class FlashPart:
    """One write into the flash memory; offset in bytes."""

    name: str
    offset: int
    data: bytes


class CardDriver(Protocol):
    """One kind of card. Methods raise CardError; none of them decides anything."""

    def inventory(self) -> Sequence[Card]:
        """The cards on the bus now. A card that cannot be read is left out and logged."""

    def describe(self, image: bytes) -> Bitstream:
        """Version and release date of a bitstream file. Raises CardError when the file is none."""

    def parts(self, image: bytes) -> Sequence[FlashPart]:
        """What is written where, in order."""

    def program_command(self, jtag_id: int, part: FlashPart, file: Path) -> Sequence[str]:
        """The program that writes a part; it runs to its end whatever happens to the agent."""

    def verify_command(self, jtag_id: int, part: FlashPart, file: Path) -> Sequence[str]:
        """The program that reads a part back and exits with 0 when it is as it should be."""

    def progress(self, line: str) -> int | None:
        """The percentage in a line of the program's output, if it holds one."""

    def power_cycle(self, unique_id: str) -> None:
        """Takes the power away and gives it back; the card is off the bus on return."""

    def deliver_licence(self, unique_id: str, document: bytes | None) -> None:
        """Hands the card its licence file, or takes it away; the same file twice is no work."""

    def container_edits(self, unique_id: str) -> JsonObject:
        """What a container needs for the card: a CDI containerEdits object."""


def release_day(text: str) -> date:
    """A release date in a card's registers. Raises CardError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CardError(f"the card reports the release date {text!r}, which is no date") from None
