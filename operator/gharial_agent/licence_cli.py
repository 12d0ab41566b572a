"""`gharial licence keygen|issue|inspect|verify`: the issuer's and the admin's tool for card licences."""

import argparse
import json
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from gharial_wire.licence import (
    Bitstream,
    Licence,
    LicenceState,
    judge,
    load_private_key,
    load_public_key,
    parse,
    sign,
    version_key,
)
from pydantic import ValidationError

# What each state asks of the person who reads it.
REMEDIES = {
    LicenceState.VALID: "the card may run this bitstream",
    LicenceState.EXPIRES_SOON: "the card may run this bitstream, but ask the issuer for a renewal now",
    LicenceState.EXPIRED: "the licence has ended; ask the issuer for a renewal",
    LicenceState.RELEASE_DATE_EXCEEDED: "the bitstream is newer than the licence covers; ask for a newer licence",
    LicenceState.VERSION_EXCEEDED: "the bitstream's version is above the licence's; ask for a newer licence",
    LicenceState.WRONG_CARD: "the licence belongs to another card; pick the file whose cardId is this card's",
    LicenceState.BAD_SIGNATURE: "the file was changed, or signed with another key; fetch it again from the issuer",
    LicenceState.MISSING: "no licence was given",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the four commands."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    keygen = commands.add_parser("keygen", help="make the issuer's key pair (the private key stays with the issuer)")
    keygen.add_argument("--private-key", type=Path, required=True, help="where to write the private key (PEM)")
    keygen.add_argument("--public-key", type=Path, required=True, help="where to write the public key (PEM)")

    issue = commands.add_parser("issue", help="sign a licence for one card")
    issue.add_argument("--private-key", type=Path, required=True, help="the issuer's private key (PEM)")
    issue.add_argument("--card", required=True, help="unique id of the card: 16 hexadecimal digits")
    issue.add_argument("--max-version", required=True, help="newest bitstream version that may run, such as 1.14.0")
    issue.add_argument(
        "--max-release-date", required=True, type=date.fromisoformat, help="newest bitstream release date (YYYY-MM-DD)"
    )
    issue.add_argument("--expires", type=date.fromisoformat, help="last day of the licence; without it, no end")
    issue.add_argument("--licensee", default="", help="whom the licence is for")
    issue.add_argument("-o", "--output", type=Path, help="licence file to write; default: standard output")

    inspect = commands.add_parser("inspect", help="show what a licence grants, without checking its signature")
    inspect.add_argument("file", type=Path)
    inspect.add_argument("--json", action="store_true", help="print JSON")

    verify = commands.add_parser("verify", help="say whether a card may run a bitstream; exit status 1 when not")
    verify.add_argument("file", type=Path)
    verify.add_argument("--public-key", type=Path, required=True, help="the issuer's public key (PEM)")
    verify.add_argument("--card", required=True, help="unique id of the card")
    verify.add_argument("--bitstream-version", required=True, help="version the card runs, such as 1.14.0")
    verify.add_argument("--release-date", required=True, type=date.fromisoformat, help="its release date (YYYY-MM-DD)")
    verify.add_argument("--today", type=date.fromisoformat, help="judge as of this day instead of today")
    verify.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Runs one of the four commands."""
    commands = {"keygen": keygen, "issue": issue, "inspect": inspect, "verify": verify}
    return commands[arguments.command](arguments)


def keygen(arguments: argparse.Namespace) -> int:
    """Writes a new key pair; the private key is readable by its owner alone and never written over."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        handle = os.open(arguments.private_key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ValueError(
            f"{arguments.private_key} exists; licences signed with it would become void. Choose another name."
        ) from None
    with os.fdopen(handle, "wb") as file:
        file.write(private)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    arguments.public_key.write_bytes(public)
    print(f"private key {arguments.private_key} (keep it off every cluster), public key {arguments.public_key}")
    return 0


def issue(arguments: argparse.Namespace) -> int:
    """Signs one licence."""
    fields = {
        "cardId": arguments.card.lower(),
        "maxVersion": arguments.max_version,
        "maxReleaseDate": arguments.max_release_date,
        "issued": datetime.now(UTC).date(),
        "expires": arguments.expires,
        "licensee": arguments.licensee,
    }
    try:
        licence = Licence.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    document = sign(licence, load_private_key(arguments.private_key.read_bytes()))
    if arguments.output is None:
        sys.stdout.write(document.decode())
    else:
        arguments.output.write_bytes(document)
        print(f"{arguments.output}: card {licence.card_id}, up to version {licence.max_version}")
    return 0


def inspect(arguments: argparse.Namespace) -> int:
    """Shows the fields of a licence."""
    licence, _ = parse(arguments.file.read_bytes())
    fields = licence.model_dump(mode="json", by_alias=True)
    if arguments.json:
        print(json.dumps(fields, indent=2))
        return 0
    for name, value in fields.items():
        print(f"{name:<15} {value if value not in (None, '') else '-'}")
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Judges a licence for a card and a bitstream."""
    version_key(arguments.bitstream_version)
    key = load_public_key(arguments.public_key.read_bytes())
    bitstream = Bitstream(arguments.bitstream_version, arguments.release_date)
    today = arguments.today or datetime.now(UTC).date()
    state = judge(arguments.file.read_bytes(), key, arguments.card.lower(), bitstream, today).state
    if arguments.json:
        print(json.dumps({"state": state, "allowed": state.allows_running}))
    else:
        print(f"{state}: {REMEDIES[state]}")
    return 0 if state.allows_running else 1
