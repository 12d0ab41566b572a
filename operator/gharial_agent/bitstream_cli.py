"""`gharial bitstream pack|inspect`: makes of the vendor's two files the one file that an AsrCardPool names."""

import argparse
import hashlib
import json
from datetime import date
from pathlib import Path

from gharial_agent.cards.achronix.archive import BitstreamArchive, pack, unpack
from gharial_agent.files import write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the two commands."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    make = commands.add_parser("pack", help="pack a bitstream for Achronix cards, and print what the pool says of it")
    make.add_argument("--version", required=True, help="of the vendor's release, such as 1.14.0")
    make.add_argument("--release-date", required=True, type=date.fromisoformat, help="of that release (YYYY-MM-DD)")
    make.add_argument("--page0", required=True, type=Path, help="the vendor's bitstream_page0.flash")
    make.add_argument("--bitstream", required=True, type=Path, help="the vendor's bitstream.flash")
    make.add_argument("-o", "--output", required=True, type=Path, help="the archive to write")
    look = commands.add_parser("inspect", help="check an archive and show what it holds")
    look.add_argument("file", type=Path)
    look.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Runs one command."""
    return pack_files(arguments) if arguments.command == "pack" else inspect(arguments)


def pack_files(arguments: argparse.Namespace) -> int:
    """Writes the archive; prints the part of the AsrCardPool that names it."""
    page_0, body = arguments.page0.read_bytes(), arguments.bitstream.read_bytes()
    data = pack(BitstreamArchive(arguments.version, arguments.release_date, page_0, body))
    write_atomically(arguments.output, data, mode=0o644)
    print("spec:\n  bitstream:")
    print(f"    version: {arguments.version}")
    print(f"    url: https://WHERE-YOU-PUT-IT/{arguments.output.name}")
    print(f"    sha256: {hashlib.sha256(data).hexdigest()}")
    return 0


def inspect(arguments: argparse.Namespace) -> int:
    """Shows an archive. Raises ValueError when it is none."""
    data = arguments.file.read_bytes()
    try:
        archive = unpack(data)
    except ValueError as error:
        raise ValueError(f"{arguments.file} is refused: {error}") from None
    found = {
        "version": archive.version,
        "releaseDate": archive.release_date.isoformat(),
        "sha256": hashlib.sha256(data).hexdigest(),
        "page0Bytes": len(archive.page_0),
        "bitstreamBytes": len(archive.body),
    }
    print(json.dumps(found) if arguments.json else "\n".join(f"{key}: {value}" for key, value in found.items()))
    return 0
