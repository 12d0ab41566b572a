"""Enumeration of PCI devices from sysfs, the same for real and simulated cards."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ADDRESS = re.compile(r"^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$")


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
