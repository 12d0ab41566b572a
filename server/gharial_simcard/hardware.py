"""The simulated hardware of one node: its cards, their power, their flash memories, their place in sysfs.

Threads: the control socket's connections call in at any time. A write into a flash memory takes its time (or hangs)
outside the lock, so that one sick card never blocks the others.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from gharial_wire.bitstream import BitstreamHeader, check_image, make_bitstream
from gharial_wire.card_control import Fault

from gharial_simcard.memory import ALWAYS, FLASH_BYTES, CardMemory, check_range
from gharial_simcard.sysfs import Place, SysfsTree, place_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HardwareSettings:
    """How the simulated hardware of a node is made. Times in seconds, write_rate in bytes per second.

    own_switch: whether each card has a power switch of its own. power_file: what whoever switches the machine writes
    anew at each power-on.
    """

    root: Path
    cards: int
    id_seed: str
    streams: int
    power_file: Path
    factory_version: str = "1.0.0"
    factory_release_date: date = date(2024, 1, 1)
    boot_seconds: float = 2.0
    write_rate: float = 32 * 1024
    numa_nodes: int = 1
    own_switch: bool = True


class SimulatedCard:
    """One card: its place, its memory, and whether somebody programs it."""

    def __init__(self, place: Place, memory: CardMemory) -> None:
        self.place = place
        self.memory = memory
        self.programming = threading.Lock()
        self.healed = threading.Event()  # set whenever a fault is changed, wakes a write that hangs
        self.streams_active = 0


class Hardware:
    """All cards of the node. `on_change(card)` is called whenever a card comes, goes, hangs or is healed."""

    def __init__(self, settings: HardwareSettings, on_change: Callable[[SimulatedCard], None]) -> None:
        self.settings = settings
        self.on_change = on_change
        self.sysfs = SysfsTree(settings.root / "hardware" / "sys")
        self.lock = threading.Lock()
        self.timers: list[threading.Timer] = []
        self.cards = [self._open_card(index) for index in range(settings.cards)]

    def _open_card(self, index: int) -> SimulatedCard:
        unique_id = unique_card_id(self.settings.id_seed, index)
        # Claims mount this folder, so it is there before any of them.
        (self.settings.root / "cards" / unique_id).mkdir(parents=True, exist_ok=True)
        folder = self.settings.root / "hardware" / "state" / unique_id
        factory = make_bitstream(self.settings.factory_version, self.settings.factory_release_date)
        return SimulatedCard(place_of(index, self.settings.numa_nodes), CardMemory.open(folder, unique_id, factory))

    def start(self) -> None:
        """Shows the cards as they were left; those from the factory, caught in a boot, or without power since, boot.

        Raises RuntimeError when cards without a switch of their own cannot know of the machine's power.
        """
        power = self._machine_power()
        self.sysfs.clear()
        for card in self.cards:
            if power is not None:
                card.memory.see_power(power)
            if card.memory.on_bus:
                self._show(card)
            elif card.memory.booting:
                self._boot(card)

    def _machine_power(self) -> str | None:
        """The word of the machine's last power-on; None where nobody writes any."""
        file = self.settings.power_file
        try:
            return file.read_text().strip()
        except FileNotFoundError:
            if self.settings.own_switch:
                return None
            raise RuntimeError(
                f"there is no {file}: cards that obey the machine's power (--power machine) need whoever switches the "
                "machine to write another word there at each power-on; or use --power card"
            ) from None

    def stop(self) -> None:
        """Ends the timers; what the cards remember stays on the disk."""
        for timer in self.timers:
            timer.cancel()

    def by_id(self, unique_id: str) -> SimulatedCard:
        """The card with this unique id. Raises ValueError when there is none."""
        for card in self.cards:
            if card.memory.unique_id == unique_id:
                return card
        known = ", ".join(card.memory.unique_id for card in self.cards)
        raise ValueError(f"no card {unique_id!r} on this node; its cards are {known}")

    def by_jtag(self, jtag_id: int) -> SimulatedCard:
        """The card with this number on the JTAG chain, also when it is off the bus. Raises ValueError."""
        for card in self.cards:
            if card.place.jtag_id == jtag_id:
                return card
        raise ValueError(f"no device {jtag_id} on the JTAG chain")

    def erase(self, card: SimulatedCard, offset: int, length: int) -> None:
        """Erases a range of the flash memory."""
        check_range(offset, length)
        card.memory.write(offset, b"\xff" * length)

    def write(self, card: SimulatedCard, offset: int, data: bytes) -> None:
        """Writes into the flash memory at the memory's pace. Raises ValueError when the write fails."""
        time.sleep(len(data) / self.settings.write_rate)
        while card.memory.faults.get(Fault.FLASH_HANGS):
            card.healed.wait()
            card.healed.clear()
        if card.memory.strikes(Fault.FLASH_FAILS):
            raise ValueError(f"SPI write error at offset {offset}: the flash memory does not acknowledge")
        if card.memory.strikes(Fault.FLASH_CORRUPTS):
            data = bytes([data[0] ^ 0x01]) + data[1:]
        card.memory.write(offset, data)

    def power_cycle(self, card: SimulatedCard) -> None:
        """Takes the power away and gives it back; the card is gone on return and boots by itself.

        Raises ValueError when the card has no switch of its own.
        """
        if not self.settings.own_switch:
            raise ValueError(
                "this card has no switch of its own (--power machine): power-cycle the machine, a reboot is not enough"
            )
        with self.lock:
            card.memory.leave_bus(booting=True)
            self.sysfs.hide(card.place)
        log.info("card %s: power off", card.memory.unique_id)
        self.on_change(card)
        timer = threading.Timer(self.settings.boot_seconds, self._boot, [card])
        timer.daemon = True
        self.timers = [t for t in self.timers if t.is_alive()] + [timer]
        timer.start()

    def inject(self, card: SimulatedCard, fault: Fault, times: int) -> None:
        """Makes a card fail; `vanish` and `hang` strike at once and last until a power cycle."""
        with self.lock:
            if fault is Fault.VANISH and times:
                card.memory.leave_bus(booting=False)
                self.sysfs.hide(card.place)
            elif fault is Fault.HANG:
                card.memory.hung = times != 0
                card.memory.save()
                self.sysfs.update(card.place, "health", health_of(card))
            if fault is not Fault.HANG:
                card.memory.inject(fault, times)
        card.healed.set()
        self.on_change(card)

    def report_streams(self, card: SimulatedCard, active: int) -> None:
        """Shows in sysfs how many streams the card runs."""
        card.streams_active = active
        with self.lock:
            self.sysfs.update(card.place, "streams_active", str(active))

    def _boot(self, card: SimulatedCard) -> None:
        header = self._load(card)
        with self.lock:
            card.memory.faults.pop(Fault.VANISH, None)
            card.memory.boot(header)
            card.streams_active = 0
            if header is not None:
                self._show(card)
        log.info("card %s: %s", card.memory.unique_id, f"runs {header.version}" if header else "does not come up")
        self.on_change(card)

    def _load(self, card: SimulatedCard) -> BitstreamHeader | None:
        if card.memory.strikes(Fault.BOOT_FAILS):
            return None
        try:
            return check_image(card.memory.read(0, FLASH_BYTES))
        except ValueError as error:
            log.warning("card %s: %s", card.memory.unique_id, error)
            return None

    def _show(self, card: SimulatedCard) -> None:
        memory = card.memory
        self.sysfs.show(
            card.place,
            {
                "unique_id": memory.unique_id,
                "jtag_id": str(card.place.jtag_id),
                "bitstream_version": memory.version,
                "bitstream_release_date": memory.release_date,
                "health": health_of(card),
                "streams_capacity": str(self.settings.streams),
                "streams_active": str(card.streams_active),
            },
        )


def health_of(card: SimulatedCard) -> str:
    """What the card says of itself: ok, or hung."""
    return "hung" if card.memory.hung else "ok"


def unique_card_id(seed: str, index: int) -> str:
    """The unique id of a node's card: 16 hexadecimal digits, the same for the same seed (the node's name) and index."""
    return hashlib.sha256(f"gharial simulated card {seed} {index}".encode()).hexdigest()[:16]


def describe(card: SimulatedCard) -> dict[str, object]:
    """The card as the control socket's `state` shows it."""
    memory = card.memory
    return {
        "cardId": memory.unique_id,
        "pciAddress": card.place.pci_address,
        "jtagId": card.place.jtag_id,
        "onBus": memory.on_bus,
        "health": health_of(card),
        "bitstreamVersion": memory.version,
        "streamsActive": card.streams_active,
        "faults": {fault: "always" if times == ALWAYS else times for fault, times in memory.faults.items()},
    }
