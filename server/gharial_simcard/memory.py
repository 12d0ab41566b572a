"""What a simulated card remembers without the process that plays it: flash memory, what is live, faults to come."""

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

from gharial_wire.bitstream import BitstreamHeader
from gharial_wire.card_control import Fault

# Size of the SPI flash memory, in bytes; erased flash reads as ones.
FLASH_BYTES = 1 << 20
ERASED = b"\xff"
ALWAYS = -1


@dataclass
class CardMemory:
    """One card's lasting state, kept in a folder: `card.json` and `flash.bin`.

    version and release_date are of the *live* bitstream, which a power cycle loads from the flash memory; both are
    empty while the card is not on the bus. faults: how many more times each fault strikes, ALWAYS for no end.
    booting: power is there and the flash memory is still to be loaded. power: the machine's power as the card saw it
    last, a word that is another after each power cycle of the machine; empty when it never saw any.
    """

    folder: Path
    unique_id: str
    on_bus: bool = False
    hung: bool = False
    version: str = ""
    release_date: str = ""
    faults: dict[str, int] = field(default_factory=dict)
    booting: bool = False
    power: str = ""

    @classmethod
    def open(cls, folder: Path, unique_id: str, factory_image: bytes) -> "CardMemory":
        """The card's state as it was left, or that of a card from the factory, not yet booted."""
        record = folder / "card.json"
        if record.exists():
            return cls(folder=folder, **json.loads(record.read_text()))
        folder.mkdir(parents=True, exist_ok=True)
        card = cls(folder=folder, unique_id=unique_id, booting=True)
        card.flash_file.write_bytes(factory_image.ljust(FLASH_BYTES, ERASED))
        card.save()
        return card

    @property
    def flash_file(self) -> Path:
        """The flash memory's contents."""
        return self.folder / "flash.bin"

    def save(self) -> None:
        """Writes the record whole: a reader never sees half of it."""
        fields = asdict(self)
        del fields["folder"]
        new = self.folder / ".card.json.new"
        new.write_text(json.dumps(fields, indent=2))
        new.rename(self.folder / "card.json")

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the flash memory."""
        check_range(offset, length)
        with self.flash_file.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def write(self, offset: int, data: bytes) -> None:
        """Puts bytes into the flash memory, and onto the disk."""
        check_range(offset, len(data))
        with self.flash_file.open("r+b") as file:
            file.seek(offset)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def strikes(self, fault: Fault) -> bool:
        """Whether a fault happens now; one that is counted happens once less from now on."""
        left = self.faults.get(fault, 0)
        if left == 0:
            return False
        if left > 0:
            self.inject(fault, left - 1)
        return True

    def inject(self, fault: Fault, times: int) -> None:
        """Makes a fault happen so many times more; 0 heals it, ALWAYS means no end."""
        if times:
            self.faults[fault] = times
        else:
            self.faults.pop(fault, None)
        self.save()

    def boot(self, header: BitstreamHeader | None) -> None:
        """Ends a power cycle: on the bus with that bitstream, or off it with none."""
        self.booting = False
        self.on_bus = header is not None
        self.hung = False
        self.version = header.version if header else ""
        self.release_date = header.release_date.isoformat() if header else ""
        self.save()

    def leave_bus(self, booting: bool) -> None:
        """Takes the card off the bus; `booting` when a power cycle did it, so that the card comes back by itself."""
        self.on_bus, self.booting = False, booting
        self.version = self.release_date = ""
        self.save()

    def see_power(self, power: str) -> None:
        """Notes the machine's power; where it is another than the card saw last, the card was without power and boots.

        A card that sees a machine's power for the first time has not been without it.
        """
        seen, self.power = self.power, power
        if seen in ("", power):
            self.save()
        else:
            self.leave_bus(booting=True)

    @property
    def released(self) -> date | None:
        """Release date of the live bitstream."""
        return date.fromisoformat(self.release_date) if self.release_date else None


def check_range(offset: int, length: int) -> None:
    """Raises ValueError when the range does not lie in the flash memory."""
    if offset < 0 or length <= 0 or offset + length > FLASH_BYTES:
        raise ValueError(f"{length} bytes at offset {offset} do not fit into a flash memory of {FLASH_BYTES} bytes")
