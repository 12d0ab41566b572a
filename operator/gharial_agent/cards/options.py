"""The agent's options on cards, and the drivers that they make: by the name that a node's spec has for them."""

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path

from gharial_agent.cards.achronix.driver import INSTALLED, AchronixDriver, AchronixSettings
from gharial_agent.cards.protocol import CardDriver
from gharial_agent.cards.simulated import DEFAULT_ROOT, DEFAULT_TOOL, SimulatedDriver


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options; the defaults are those of a node."""
    cards = parser.add_argument_group("simulated cards")
    cards.add_argument("--simulated-root", type=Path, default=DEFAULT_ROOT, help="their folder (%(default)s)")
    cards.add_argument("--flash-tool", default=DEFAULT_TOOL, help="program that flashes them (%(default)s)")
    cards.add_argument("--sysfs", type=Path, help="where they enumerate; default: under --simulated-root")

    usual = AchronixSettings()
    cards = parser.add_argument_group("Achronix cards (docs/reference/achronix.md)")
    cards.add_argument("--ace", default="", help=f"the vendor's tool, with words before it; default: /{INSTALLED}")
    cards.add_argument(
        "--ace-verify", type=Path, help="Tcl file with a procedure gharial_verify that reads back what was written"
    )
    cards.add_argument(
        "--jtag-map",
        type=Path,
        default=Path("/etc/gharial/achronix/jtag.json"),
        help="JSON: which JTAG device is the card with which unique id (%(default)s, if there)",
    )
    cards.add_argument("--achronix-sysfs", type=Path, default=usual.sysfs, help="(%(default)s)")
    cards.add_argument("--achronix-edits", type=Path, help="JSON: CDI containerEdits that a pod gets besides the usual")
    cards.add_argument(
        "--achronix-streams", type=int, default=usual.streams, help="streams that one card carries (%(default)s)"
    )


def make_drivers(arguments: argparse.Namespace) -> Mapping[str, CardDriver]:
    """The drivers that the command line describes."""
    settings = AchronixSettings(
        sysfs=arguments.achronix_sysfs,
        tool=tuple(shlex.split(arguments.ace)),
        jtag_map=arguments.jtag_map,
        verify=arguments.ace_verify,
        licences=arguments.state / "licences",
        edits=arguments.achronix_edits,
        streams=arguments.achronix_streams,
    )
    return {
        "simulated": SimulatedDriver(arguments.simulated_root, arguments.sysfs, arguments.flash_tool),
        "achronix": AchronixDriver(settings),
    }
