"""Enumeration of PCI devices from sysfs, the same for real and simulated cards."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

LINK_WIDTHS = ("current_link_width", "max_link_width")
LINK_SPEEDS = ("current_link_speed", "max_link_speed")
ADDRESS = re.compile(r"^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$")


@dataclass(frozen=True)
class Link:
    """A PCIe link: lanes and GT/s as they are, and as the card can. 0 where the kernel does not know."""

    width: int
    max_width: int
    speed: float
    max_speed: float

    @property
    def remark(self) -> str:
        """What to say when the link is less than the card can."""
        if 0 < self.width < self.max_width or 0 < self.speed < self.max_speed:
            return f"the link runs {self}: look at the card's seat and at what the slot can"
        return ""

    def __str__(self) -> str:
        if not self.width:
            return ""
        return f"x{self.width} of x{self.max_width} at {self.speed:g} of {self.max_speed:g} GT/s"


@dataclass(frozen=True)
class PciDevice:
    """One device: its address and its folder in sysfs."""

    address: str
    folder: Path

    def text(self, name: str, default: str = "") -> str:
        """A file of the device's folder without the trailing newline; the default when it is not there."""
        try:
            return (self.folder / name).read_text().strip()
        except OSError:
            return default

    def number(self, name: str, default: int = 0) -> int:
        """A file of the device's folder as a number; 0x is understood."""
        try:
            return int(self.text(name), 0)
        except ValueError:
            return default

    @property
    def link(self) -> Link:
        """The link to the slot."""
        # 255 lanes is how the kernel says that it does not know.
        width, most = (lanes if lanes != 255 else 0 for lanes in map(self.number, LINK_WIDTHS))
        return Link(width, most, *(gigatransfers(self.text(name)) for name in LINK_SPEEDS))

    def slot(self, slots: Mapping[str, str]) -> str:
        """The physical slot, empty where the firmware names none."""
        return slots.get(self.address.rpartition(".")[0], "")

    def device_nodes(self) -> list[str]:
        """The device files that the kernel made for this device, such as /dev/NAME: those of its own children."""
        found = set()
        for kind in self.folder.iterdir():
            # Links lead to the bus, the driver and other devices.
            for uevent in [] if kind.is_symlink() else kind.glob("*/uevent"):
                entries = dict(line.partition("=")[::2] for line in uevent.read_text().splitlines())
                if "MAJOR" in entries and "DEVNAME" in entries:
                    found.add(f"/dev/{entries['DEVNAME']}")
        return sorted(found)


def pci_devices(sysfs: Path, vendor: int, device: int) -> Iterator[PciDevice]:
    """The devices of one vendor and device id, in the order of their addresses.

    A device that disappears while it is read has no vendor any more, and is left out. Raises OSError when there is
    no PCI bus under `sysfs` at all.
    """
    bus = sysfs / "bus" / "pci" / "devices"
    for folder in sorted(bus.iterdir()):
        found = PciDevice(folder.name, folder)
        if ADDRESS.match(found.address) and (found.number("vendor"), found.number("device")) == (vendor, device):
            yield found


def physical_slots(sysfs: Path) -> dict[str, str]:
    """Names of the physical slots by domain, bus and device, such as 0000:25:00."""
    slots = {}
    for file in (sysfs / "bus" / "pci" / "slots").glob("*/address"):
        try:
            slots[file.read_text().strip()] = file.parent.name
        except OSError:
            continue  # a slot that goes away while it is read
    return slots


def gigatransfers(text: str) -> float:
    """The number in `16.0 GT/s PCIe`; 0 where there is none."""
    try:
        return float(text.partition(" ")[0])
    except ValueError:
        return 0.0
