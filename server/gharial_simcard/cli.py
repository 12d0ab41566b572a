"""`gharial simcard`: runs the simulated cards of a node, makes them fail, and makes bitstreams for them."""

import argparse
import json
import os
import socket
from datetime import date
from pathlib import Path

from gharial_wire.bitstream import make_bitstream
from gharial_wire.card_control import ControlClient, Fault

DEFAULT_ROOT = Path("/run/gharial")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of the process itself and the commands that talk to it."""
    parser.add_argument(
        "--root", type=Path, default=DEFAULT_ROOT, help="folder of the simulated hardware (%(default)s)"
    )
    parser.add_argument("--cards", type=int, default=1, help="number of cards, 1 to 8 (%(default)s)")
    parser.add_argument(
        "--id-seed",
        default=os.environ.get("NODE_NAME") or socket.gethostname(),
        help="what the unique ids are derived from; default: $NODE_NAME, else the host name (%(default)s)",
    )
    parser.add_argument("--streams", type=int, default=16, help="real-time streams that one card carries (%(default)s)")
    parser.add_argument("--public-key", type=Path, help="the licence issuer's public key (PEM); without it no licence")
    parser.add_argument("--factory-version", default="1.0.0", help="bitstream of a new card (%(default)s)")
    parser.add_argument("--boot-seconds", type=float, default=2.0, help="from power on to enumeration (%(default)s)")
    parser.add_argument("--write-rate", type=float, default=32768, help="flash bytes written per second (%(default)s)")
    parser.add_argument(
        "--power",
        choices=["card", "machine"],
        default="card",
        help="what makes a flashed bitstream live: each card's own switch, or only the machine's (%(default)s)",
    )
    parser.add_argument(
        "--power-file",
        type=Path,
        help="file with another word after each power-on of the machine (default: ROOT/power)",
    )
    parser.add_argument("--without-compute", action="store_true", help="hardware alone: no arithmetic, no card socket")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    make = commands.add_parser("make-bitstream", help="make a bitstream file for simulated cards")
    make.add_argument("--version", required=True, help="such as 1.14.0")
    make.add_argument("--release-date", type=date.fromisoformat, default=date(2026, 1, 1), help="default: %(default)s")
    make.add_argument("-o", "--output", type=Path, required=True)

    commands.add_parser("ids", help="print the unique ids of the cards that --id-seed and --cards make")
    commands.add_parser("state", help="print what the running cards are doing, as JSON")
    cycle = commands.add_parser("power-cycle", help="take a card's power away and give it back")
    cycle.add_argument("--card", required=True, help="unique id")
    inject = commands.add_parser("inject", help="make a card fail")
    inject.add_argument("--card", required=True, help="unique id")
    inject.add_argument("--fault", required=True, choices=[str(fault) for fault in Fault])
    inject.add_argument("--times", default="1", help="how often, or always; 0 heals (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Runs the cards, or one command."""
    commands = {
        "make-bitstream": write_bitstream,
        "ids": print_ids,
        "state": print_state,
        "power-cycle": power_cycle,
        "inject": inject,
    }
    if arguments.command is not None:
        return commands[arguments.command](arguments)
    from gharial_simcard.process import run_cards

    return run_cards(arguments)


def write_bitstream(arguments: argparse.Namespace) -> int:
    """Writes a bitstream file."""
    arguments.output.write_bytes(make_bitstream(arguments.version, arguments.release_date))
    return 0


def print_ids(arguments: argparse.Namespace) -> int:
    """The ids, one a line."""
    from gharial_simcard.hardware import unique_card_id

    for index in range(arguments.cards):
        print(unique_card_id(arguments.id_seed, index))
    return 0


def print_state(arguments: argparse.Namespace) -> int:
    """Everything the hardware knows of itself."""
    with ControlClient(arguments.root, timeout_seconds=10) as hardware:
        print(json.dumps(hardware.call("state"), indent=2))
    return 0


def power_cycle(arguments: argparse.Namespace) -> int:
    """Power off, power on."""
    with ControlClient(arguments.root, timeout_seconds=10) as hardware:
        hardware.call("power-cycle", cardId=arguments.card)
    return 0


def inject(arguments: argparse.Namespace) -> int:
    """A failure on demand."""
    with ControlClient(arguments.root, timeout_seconds=10) as hardware:
        hardware.call("inject", cardId=arguments.card, fault=arguments.fault, times=arguments.times)
    return 0
