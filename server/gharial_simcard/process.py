"""The process that plays a node's simulated cards."""

import argparse
import logging
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING

from gharial_wire.licence import load_public_key

from gharial_simcard.control import ControlServer
from gharial_simcard.hardware import Hardware, HardwareSettings, SimulatedCard
from gharial_simcard.rights import CardRights

if TYPE_CHECKING:
    from gharial_simcard.compute import CardCompute

log = logging.getLogger(__name__)
# As many as the CAIMAN-ASR documentation puts into one server.
MOST_CARDS = 8


def run_cards(arguments: argparse.Namespace) -> int:
    """Runs until SIGTERM or SIGINT. The cards keep their flash memories and what is live, as hardware would."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = settings_from(arguments)
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    hosts: dict[str, CardCompute] = {}

    def follow(card: SimulatedCard) -> None:
        if host := hosts.get(card.memory.unique_id):
            host.follow(card)

    hardware = Hardware(settings, follow)
    control = ControlServer(hardware)
    hardware.start()
    control.serve()
    if not arguments.without_compute:
        hosts.update(make_hosts(hardware, arguments))
        for card in hardware.cards:
            follow(card)
    log.info("%d cards: %s", len(hardware.cards), ", ".join(card.memory.unique_id for card in hardware.cards))
    stopping.wait()
    control.shutdown()
    hardware.stop()
    for host in hosts.values():
        host.stop()
    return 0


def make_hosts(hardware: Hardware, arguments: argparse.Namespace) -> "dict[str, CardCompute]":
    """The arithmetic behind each card's socket, by unique id; imports torch."""
    from gharial_simcard.compute import CardCompute

    key = load_public_key(arguments.public_key.read_bytes()) if arguments.public_key else None
    root = hardware.settings.root
    hosts = {}
    for card in hardware.cards:
        unique_id = card.memory.unique_id
        folder = root / "cards" / unique_id
        rights = CardRights(card, folder, key, hardware.settings.streams, hardware.report_streams)
        hosts[unique_id] = CardCompute(rights, folder, root / "hardware" / "artefacts" / unique_id)
    return hosts


def settings_from(arguments: argparse.Namespace) -> HardwareSettings:
    """The settings in the command line. Raises ValueError with what is wrong."""
    if not 1 <= arguments.cards <= MOST_CARDS:
        raise ValueError(f"--cards {arguments.cards}: a node holds 1 to {MOST_CARDS} cards")
    if arguments.streams < 1:
        raise ValueError(f"--streams {arguments.streams}: a card carries at least one stream")
    return HardwareSettings(
        root=arguments.root,
        cards=arguments.cards,
        id_seed=arguments.id_seed,
        streams=arguments.streams,
        factory_version=arguments.factory_version,
        boot_seconds=arguments.boot_seconds,
        write_rate=arguments.write_rate,
        own_switch=arguments.power == "card",
        power_file=arguments.power_file or arguments.root / "power",
    )
