"""Driver for the cards that `gharial simcard` plays on the node."""

import logging
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from gharial_api.names import CARD_PCI_DEVICE, CARD_PCI_VENDOR
from gharial_wire.bitstream import BODY_OFFSET, check_image
from gharial_wire.card_control import ControlClient, ControlRefusedError
from gharial_wire.licence import Bitstream

from gharial_agent.cards.protocol import Card, CardError, FlashPart, JsonObject, release_day
from gharial_agent.cards.sysfs import PciDevice, pci_devices
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

    def inventory(self) -> Sequence[Card]:
        """The cards on the simulated bus; none while the simulated hardware is not there."""
        try:
            devices = list(pci_devices(self._sysfs, int(CARD_PCI_VENDOR, 16), int(CARD_PCI_DEVICE, 16)))
        except FileNotFoundError:
            return []
        cards = []
        for device in devices:
            try:
                cards.append(read_card(device))
            except CardError as error:
                log.warning("card at %s: %s", device.address, error)
        return cards

    def describe(self, image: bytes) -> Bitstream:
        """Version and release date in page 0, once the body agrees with it."""
        try:
            header = check_image(image)
        except ValueError as error:
            raise CardError(str(error)) from None
        return Bitstream(header.version, header.release_date)

    def parts(self, image: bytes) -> Sequence[FlashPart]:
        """Page 0 at offset 0, then the bitstream at offset 4096."""
        return (
            FlashPart("page0.flash", 0, image[:BODY_OFFSET]),
            FlashPart("bitstream.flash", BODY_OFFSET, image[BODY_OFFSET:]),
        )

    def program_command(self, jtag_id: int, part: FlashPart, file: Path) -> Sequence[str]:
        """The flash tool, writing."""
        return [*self._tool, "program", "--jtag-id", str(jtag_id), "--offset", str(part.offset), str(file)]

    def verify_command(self, jtag_id: int, part: FlashPart, file: Path) -> Sequence[str]:
        """The flash tool, comparing."""
        return [*self._tool, "verify", "--jtag-id", str(jtag_id), "--offset", str(part.offset), str(file)]

    def progress(self, line: str) -> int | None:
        """The percentage in `progress 40 %`."""
        found = PROGRESS.search(line)
        return int(found.group(1)) if found else None

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


def read_card(device: PciDevice) -> Card:
    """One card from its folder in sysfs. Raises CardError when it is leaving the bus or talks nonsense."""
    unique_id = device.text("asr_card/unique_id")
    if not UNIQUE_ID.match(unique_id):
        raise CardError(f"unique id {unique_id!r} is not 16 hexadecimal digits")
    health = device.text("asr_card/health", "silent")
    released = release_day(device.text("asr_card/bitstream_release_date"))
    return Card(
        unique_id=unique_id,
        pci_address=device.address,
        jtag_id=device.number("asr_card/jtag_id"),
        bitstream=Bitstream(device.text("asr_card/bitstream_version"), released),
        health_message="" if health == "ok" else f"the card reports {health!r}; a power cycle may cure it",
        streams_capacity=device.number("asr_card/streams_capacity"),
        streams_used=device.number("asr_card/streams_active"),
        numa_node=device.number("numa_node", -1),
        link_width=device.number("current_link_width"),
    )
