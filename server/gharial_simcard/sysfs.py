"""A sysfs tree like the one in which Linux shows PCI cards, for cards that are not there.

As in the kernel's tree the device's folder lies under `devices/` and `bus/pci/devices/` holds a symbolic link to it,
so that a card appears and disappears in one step; `bus/pci/slots/` names the slots. Beside the files every PCI device
has, a card's folder holds `asr_card/`, which stands for what the vendor's driver shows of it.
"""

import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

VENDOR = 0x12BA
DEVICE = 0x0069
# "Non-Essential Instrumentation", the class under which the card enumerates.
PCI_CLASS = 0x130000
FIRST_BUS = 0x25


@dataclass(frozen=True)
class Place:
    """Where a card sits: PCI address, NUMA node, and its number on the JTAG chain."""

    pci_address: str
    numa_node: int
    jtag_id: int


def place_of(index: int, numa_nodes: int = 1) -> Place:
    """The place of the node's card number `index`, counted from 0."""
    return Place(f"0000:{FIRST_BUS + index:02x}:00.0", index % numa_nodes, index + 1)


class SysfsTree:
    """Writes the tree under a root such as /run/gharial/hardware/sys."""

    def __init__(self, root: Path) -> None:
        self.bus = root / "bus" / "pci" / "devices"
        self.slots = root / "bus" / "pci" / "slots"
        self.devices = root / "devices" / "pci0000:20"

    def clear(self) -> None:
        """Removes what an earlier process left."""
        for folder in (self.bus, self.slots, self.devices):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)

    def show(self, place: Place, card: dict[str, str]) -> None:
        """Puts a card on the bus; `card` becomes the files of `asr_card/`."""
        folder = self.devices / place.pci_address
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "asr_card").mkdir(parents=True)
        for name, text in pci_files(place).items():
            (folder / name).write_text(text + "\n")
        (folder / "config").write_bytes(configuration_space(card["unique_id"]))
        for name, text in card.items():
            (folder / "asr_card" / name).write_text(text + "\n")
        slot = self.slots / str(place.jtag_id)
        slot.mkdir(exist_ok=True)
        (slot / "address").write_text(place.pci_address.rpartition(".")[0] + "\n")
        link = self.bus / place.pci_address
        link.unlink(missing_ok=True)
        link.symlink_to(Path("../../../devices") / self.devices.name / place.pci_address)

    def update(self, place: Place, name: str, text: str) -> None:
        """Changes one file of `asr_card/`; a reader sees the old or the new text."""
        folder = self.devices / place.pci_address
        if folder.exists():
            new = self.devices / f".{place.pci_address}.new"
            new.write_text(text + "\n")
            new.rename(folder / "asr_card" / name)

    def hide(self, place: Place) -> None:
        """Takes a card off the bus."""
        (self.bus / place.pci_address).unlink(missing_ok=True)
        shutil.rmtree(self.devices / place.pci_address, ignore_errors=True)


def pci_files(place: Place) -> dict[str, str]:
    """The files that the kernel shows for this PCI device."""
    uevent = [
        f"PCI_CLASS={PCI_CLASS:X}",
        f"PCI_ID={VENDOR:04X}:{DEVICE:04X}",
        f"PCI_SUBSYS_ID={VENDOR:04X}:{DEVICE:04X}",
        f"PCI_SLOT_NAME={place.pci_address}",
        f"MODALIAS=pci:v{VENDOR:08X}d{DEVICE:08X}sv{VENDOR:08X}sd{DEVICE:08X}bc13sc00i00",
    ]
    return {
        "vendor": f"0x{VENDOR:04x}",
        "device": f"0x{DEVICE:04x}",
        "subsystem_vendor": f"0x{VENDOR:04x}",
        "subsystem_device": f"0x{DEVICE:04x}",
        "class": f"0x{PCI_CLASS:06x}",
        "revision": "0x01",
        "enable": "1",
        "numa_node": str(place.numa_node),
        "current_link_speed": "16.0 GT/s PCIe",
        "current_link_width": "16",
        "max_link_speed": "16.0 GT/s PCIe",
        "max_link_width": "16",
        "uevent": "\n".join(uevent),
    }


def configuration_space(unique_id: str) -> bytes:
    """The 4096 bytes of a PCIe device's configuration space, as far as anybody reads them here: the two ids, and the
    device serial number (capability 3 at 0x100), which is the card's unique id."""
    space = bytearray(4096)
    struct.pack_into("<HH", space, 0, VENDOR, DEVICE)
    number = int(unique_id, 16)
    struct.pack_into("<III", space, 0x100, 0x0001_0003, number & 0xFFFF_FFFF, number >> 32)
    return bytes(space)
