"""The process that plays a node's simulated cards."""

import argparse
import logging
import signal
import threading
from types import FrameType

from gharial_simcard.control import ControlServer
from gharial_simcard.hardware import Hardware, HardwareSettings, SimulatedCard

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
    hardware = Hardware(settings, log_change)
    control = ControlServer(hardware)
    hardware.start()
    control.serve()
    for card in hardware.cards:
        log.info("card %s at %s", card.memory.unique_id, card.place.pci_address)
    stopping.wait()
    control.shutdown()
    hardware.stop()
    return 0


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
    )


def log_change(card: SimulatedCard) -> None:
    """Says that a card came, went or changed its health."""
    log.info("card %s: on the bus %s, hung %s", card.memory.unique_id, card.memory.on_bus, card.memory.hung)
