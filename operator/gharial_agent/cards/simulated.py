"""Driver for the cards that `gharial simcard` plays on the node."""

import logging
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from gharial_api.names import CARD_PCI_DEVICE, CARD_PCI_VENDOR
from gharial_wire.bitstream import BODY_OFFSET, check_image
from gharial_wire.card_control import ControlClient, ControlRefusedError
from gharial_wire.licence import Bitstream

from gharial_agent.cards.protocol import (
    Card,
    CardError,
    FlashTarget,
    Inventory,
    JsonObject,
    ToolRun,
    last_line,
    release_day,
)
from gharial_agent.cards.sysfs import PciDevice, pci_devices, physical_slots
from gharial_agent.files import write_atomically

log = logging.getLogger(__name__)

DEFAULT_ROOT = Path("/run/gharial")
DEFAULT_TOOL = "gharial-sim-flash"
POWER_TIMEOUT_SECONDS = 30
UNIQUE_ID = re.compile(r"^[0-9a-f]{16}$")
PROGRESS = re.compile(r"progress (\d+) %")


class SimulatedDriver:
    """Reads the simulated sysfs tree and calls the flash tool as a program."""

    def __init__(self, root: Path = DEFAULT_ROOT, sysfs: Path | None = None, tool: str = DEFAULT_TOOL) -> None:
        self._root = root
        self._sysfs = sysfs or root / "hardware" / "sys"
        self._tool = [*shlex.split(tool), "--root", str(root)]

    def inventory(self) -> Inventory:
        """The cards on the simulated bus; none while the simulated hardware is not there."""
        try:
            devices = list(pci_devices(self._sysfs, int(CARD_PCI_VENDOR, 16), int(CARD_PCI_DEVICE, 16)))
        except FileNotFoundError:
            return Inventory()
        slots = physical_slots(self._sysfs)
        cards, unread = [], []
        for device in devices:
            try:
                cards.append(read_card(device, slots))
            except CardError as error:
                unread.append(f"The card at {device.address} cannot be used: {error}.")
        return Inventory(tuple(cards), tuple(unread))

    def describe(self, image: bytes) -> Bitstream:
        """Version and release date in page 0, once the body agrees with it."""
        try:
            header = check_image(image)
        except ValueError as error:
            raise CardError(str(error)) from None
        return Bitstream(header.version, header.release_date)

    def flash_runs(self, target: FlashTarget, image: bytes, folder: Path) -> Sequence[ToolRun]:
        """Page 0 to offset 0, the bitstream to offset 4096, then both are read back."""
        parts = (("page0.flash", 0, image[:BODY_OFFSET]), ("bitstream.flash", BODY_OFFSET, image[BODY_OFFSET:]))
        runs = []
        for action, what in (("program", "writing"), ("verify", "verification of")):
            for name, offset, data in parts:
                file = folder / name
                write_atomically(file, data)
                where = ["--jtag-id", target.jtag_id, "--offset", str(offset)]
                share = len(data) if action == "program" else 0
                runs.append(ToolRun(f"{what} {name}", (*self._tool, action, *where, str(file)), share=share))
        return runs

    def progress(self, output: str) -> int | None:
        """The percentage in the last `progress 40 %`."""
        found = PROGRESS.findall(output)
        return int(found[-1]) if found else None

    def complaint(self, run: ToolRun, status: int, output: str) -> str:
        """The tool's exit status tells."""
        return f"{run.name} ended with status {status}: {last_line(output)}" if status else ""

    def power_cycle(self, unique_id: str) -> None:
        """Through the control socket; a simulated card can be power-cycled alone."""
        try:
            with ControlClient(self._root, POWER_TIMEOUT_SECONDS) as hardware:
                hardware.call("power-cycle", cardId=unique_id)
        except (OSError, ControlRefusedError) as error:
            raise CardError(str(error)) from None

    def deliver_licence(self, unique_id: str, document: bytes | None) -> None:
        """Puts the licence beside the card's socket, where the card reads it whenever a server connects."""
        path = self._folder(unique_id) / "licence.json"
        try:
            if document is None:
                path.unlink(missing_ok=True)
            elif not path.exists() or path.read_bytes() != document:
                write_atomically(path, document, mode=0o644)
        except OSError as error:
            raise CardError(f"the licence cannot be handed to card {unique_id}: {error}") from None

    def container_edits(self, unique_id: str) -> JsonObject:
        """The card's folder, never the socket itself: a socket mounted as a file dies with the process behind it."""
        folder = str(self._folder(unique_id))
        return {
            "env": [f"GHARIAL_CARD_ID={unique_id}", f"GHARIAL_CARD_SOCKET={folder}/card.sock"],
            "mounts": [{"hostPath": folder, "containerPath": folder, "options": ["ro", "rbind", "nosuid", "nodev"]}],
        }

    def _folder(self, unique_id: str) -> Path:
        return self._root / "cards" / unique_id


def read_card(device: PciDevice, slots: Mapping[str, str]) -> Card:
    """One card from its folder in sysfs. Raises CardError when it is leaving the bus or talks nonsense."""
    unique_id = device.text("asr_card/unique_id")
    if not UNIQUE_ID.match(unique_id):
        raise CardError(f"unique id {unique_id!r} is not 16 hexadecimal digits")
    health = device.text("asr_card/health", "silent")
    released = release_day(device.text("asr_card/bitstream_release_date"))
    return Card(
        unique_id=unique_id,
        pci_address=device.address,
        jtag_id=device.text("asr_card/jtag_id"),
        bitstream=Bitstream(device.text("asr_card/bitstream_version"), released),
        health_message="" if health == "ok" else f"the card reports {health!r}; a power cycle may cure it",
        streams_capacity=device.number("asr_card/streams_capacity"),
        streams_used=device.number("asr_card/streams_active"),
        numa_node=device.number("numa_node", -1),
        remark=device.link.remark,
        slot=device.slot(slots),
        link=str(device.link),
    )
