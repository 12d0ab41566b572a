"""Driver for Achronix cards: the cards on which CAIMAN-ASR runs.

What is known of them comes from the CAIMAN-ASR documentation; docs/reference/achronix.md says what is assumption.
"""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gharial_api.names import CARD_PCI_DEVICE, CARD_PCI_VENDOR
from gharial_wire.bitstream import BODY_OFFSET
from gharial_wire.licence import Bitstream

from gharial_agent.cards.achronix import script
from gharial_agent.cards.achronix.archive import BODY, PAGE_0, unpack
from gharial_agent.cards.achronix.jtag import device_of
from gharial_agent.cards.protocol import Card, CardError, FlashTarget, Inventory, JsonObject, ToolRun, release_day
from gharial_agent.cards.serial_number import serial_number
from gharial_agent.cards.sysfs import PciDevice, pci_devices, physical_slots
from gharial_agent.files import write_atomically

INSTALLED = "opt/ACE*/Achronix-linux/ace"
TOOL_WORDS = ("-lab_mode", "-batch")
UNIQUE_ID = re.compile(r"^[0-9a-f]{16}$")
VERSION = re.compile(r"^\d+\.\d+\.\d+$")
TWINS = "A serial number that all cards share is none: load the vendor's kernel driver, which tells their ids."
NO_SWITCH = "an Achronix card has no switch of its own: what was written becomes live when its machine is power-cycled"


@dataclass(frozen=True)
class AchronixSettings:
    """What differs from site to site.

    sysfs: root of the kernel's tree; tool: words that start ACE, empty to look where its installer puts it; jtag_map:
    which device is which card; verify: Tcl file with a read-back, see `script.flash_script`; licences: folder of the
    cards' licence files; edits: JSON file with more CDI containerEdits; streams: capacity of one card (1200: the
    published figure of `base` with beam search and state resets).
    """

    sysfs: Path = Path("/sys")
    tool: tuple[str, ...] = ()
    jtag_map: Path | None = None
    verify: Path | None = None
    licences: Path = Path("/var/lib/gharial/licences")
    edits: Path | None = None
    streams: int = 1200


class AchronixDriver:
    """Reads sysfs and writes by ACE."""

    def __init__(self, settings: AchronixSettings) -> None:
        self._settings = settings

    def inventory(self) -> Inventory:
        """The cards on the PCI bus. Those without a unique id, or with that of another, are not told apart."""
        slots = physical_slots(self._settings.sysfs)
        found: dict[str, list[PciDevice]] = {}
        unread = []
        for device in self._devices():
            try:
                found.setdefault(unique_id_of(device), []).append(device)
            except CardError as error:
                unread.append(f"The card at {device.address} cannot be used: {error}.")
        for unique_id, twins in found.items():
            if len(twins) > 1:
                where = " and ".join(device.address for device in twins)
                unread.append(f"The cards at {where} both call themselves {unique_id}: neither can be used. {TWINS}")
        cards = [self._card(twins[0], unique_id, slots) for unique_id, twins in found.items() if len(twins) == 1]
        return Inventory(tuple(cards), tuple(unread))

    def _card(self, device: PciDevice, unique_id: str, slots: Mapping[str, str]) -> Card:
        bitstream, complaint = live_bitstream(device)
        return Card(
            unique_id=unique_id,
            pci_address=device.address,
            jtag_id="",  # looked up when it is needed
            bitstream=bitstream,
            health_message=complaint,
            streams_capacity=self._settings.streams,
            streams_used=None,
            numa_node=device.number("numa_node", -1),
            remark=device.link.remark,
            slot=device.slot(slots),
            link=str(device.link),
        )

    def describe(self, image: bytes) -> Bitstream:
        """Version and release date in the archive's manifest."""
        try:
            archive = unpack(image)
        except ValueError as error:
            raise CardError(str(error)) from None
        return Bitstream(archive.version, archive.release_date)

    def flash_runs(self, target: FlashTarget, image: bytes, folder: Path) -> Sequence[ToolRun]:
        """One run for everything: ACE takes long to start, and the device is looked up once."""
        archive = unpack(image)
        for name, data in ((PAGE_0, archive.page_0), (BODY, archive.body)):
            write_atomically(folder / name, data)
        # A neighbour that does not tell who it is has a JTAG device all the same.
        alone = target.alone and len(self._devices()) <= 1
        device = device_of(target.unique_id, alone, self._settings.jtag_map)
        token = secrets.token_hex(8)
        writes = (script.Write(folder / PAGE_0, 1, 0), script.Write(folder / BODY, 4, BODY_OFFSET))
        text = script.flash_script(writes, device, self._settings.verify, token)
        write_atomically(folder / "flash.tcl", text.encode())
        command = (*self.tool(), *TOOL_WORDS)
        return [ToolRun("flashing", command, folder / "flash.tcl", share=1, proof=script.proof(token))]

    def progress(self, output: str) -> int | None:
        """See `script.progress`."""
        return script.progress(output)

    def complaint(self, run: ToolRun, status: int, output: str) -> str:
        """See `script.complaint`."""
        return script.complaint(status, output, run.proof)

    def power_cycle(self, unique_id: str) -> None:
        """Refuses."""
        raise CardError(NO_SWITCH)

    def deliver_licence(self, unique_id: str, document: bytes | None) -> None:
        """Puts the licence into the card's own folder, for the server's --license-dir."""
        path = self._settings.licences / unique_id / "licence.json"
        try:
            if document is None:
                path.unlink(missing_ok=True)
            elif not path.exists() or path.read_bytes() != document:
                write_atomically(path, document, mode=0o644)
        except OSError as error:
            raise CardError(f"the licence cannot be put into {path}: {error}") from None

    def container_edits(self, unique_id: str) -> JsonObject:
        """The card's licence folder, the device files that the kernel made for the card, and the site's additions."""
        device = next((found for found in self._devices() if safe_id(found) == unique_id), None)
        if device is None:
            raise CardError(f"card {unique_id} is not on the PCI bus")
        folder = self._settings.licences / unique_id
        folder.mkdir(parents=True, exist_ok=True)
        edits: JsonObject = {
            "env": [
                f"GHARIAL_CARD_ID={unique_id}",
                f"GHARIAL_CARD_PCI_ADDRESS={device.address}",
                f"GHARIAL_LICENCE_DIR={folder}",
            ],
            "mounts": [
                {
                    "hostPath": str(folder),
                    "containerPath": str(folder),
                    "options": ["ro", "rbind", "nosuid", "nodev"],
                }
            ],
            "deviceNodes": [{"path": path} for path in device.device_nodes()],
        }
        for key, more in self._more_edits(unique_id, device.address).items():
            edits[key] = [*edits.get(key, []), *more]
        return {key: value for key, value in edits.items() if value}

    def tool(self) -> tuple[str, ...]:
        """The words that start ACE. Raises CardError when there is none."""
        if self._settings.tool:
            return self._settings.tool
        found = sorted(str(path) for path in Path("/").glob(INSTALLED))
        if len(found) != 1:
            what = f"several are installed ({', '.join(found)})" if found else f"none is installed at /{INSTALLED}"
            raise CardError(f"which ACE shall write? {what}: tell the agent by --ace")
        return (found[0],)

    def _devices(self) -> list[PciDevice]:
        try:
            return list(pci_devices(self._settings.sysfs, int(CARD_PCI_VENDOR, 16), int(CARD_PCI_DEVICE, 16)))
        except FileNotFoundError:
            return []

    def _more_edits(self, unique_id: str, address: str) -> JsonObject:
        path = self._settings.edits
        if path is None:
            return {}
        try:
            text = path.read_text().replace("{uniqueId}", unique_id).replace("{pciAddress}", address)
            found = json.loads(text)
        except (OSError, ValueError) as error:
            raise CardError(f"the container edits in {path} cannot be read: {error}") from None
        if not isinstance(found, dict) or not all(isinstance(value, list) for value in found.values()):
            raise CardError(f"{path} is no object of lists, as CDI's containerEdits are")
        return found


def unique_id_of(device: PciDevice) -> str:
    """The id that licences bind to: the kernel driver's word, else the PCIe serial number. Raises CardError."""
    told = device.text("asr_card/unique_id").lower()
    if told:
        if not UNIQUE_ID.match(told):
            raise CardError(f"its driver calls it {told!r}, which is not 16 hexadecimal digits")
        return told
    try:
        number = serial_number((device.folder / "config").read_bytes())
    except OSError as error:
        raise CardError(f"its configuration space cannot be read: {error}") from None
    if not number:
        raise CardError(
            "it tells no unique id: load the vendor's kernel driver, or give the agent CAP_SYS_ADMIN, without which "
            "the kernel hides the PCIe serial number"
        )
    return number


def safe_id(device: PciDevice) -> str:
    """The unique id, empty where there is none."""
    try:
        return unique_id_of(device)
    except CardError:
        return ""


def live_bitstream(device: PciDevice) -> tuple[Bitstream | None, str]:
    """What the card runs, and what is wrong when it does not tell. Nothing is ever guessed."""
    version = device.text("asr_card/bitstream_version")
    released = device.text("asr_card/bitstream_release_date")
    if not version or not released:
        lacking = "bitstream_release_date" if version else "bitstream_version"
        what = "the card's kernel driver does not tell which bitstream runs"
        return None, f"{what} (no asr_card/{lacking} in sysfs): load the vendor's driver on this node"
    if not VERSION.match(version):
        return None, f"the card reports the bitstream version {version!r}, which is not three numbers"
    try:
        return Bitstream(version, release_day(released)), ""
    except CardError as error:
        return None, str(error)
