"""`gharial-sim-flash`: programs and verifies the flash memory of a simulated card, as a vendor's tool does.

    gharial-sim-flash devices
    gharial-sim-flash program --jtag-id 1 --offset 0    page0.flash
    gharial-sim-flash program --jtag-id 1 --offset 4096 bitstream.flash
    gharial-sim-flash verify  --jtag-id 1 --offset 4096 bitstream.flash

Exit status: 0 done; 1 the card refused or failed; 2 a wrong call; 3 no hardware answers; 4 verification found a
difference. Standard library only. A write that has begun is finished also when the tool is asked to end (SIGTERM,
SIGINT): a half-written flash memory holds no bitstream.
"""

import argparse
import base64
import hashlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from gharial_wire.bitstream import BODY_OFFSET, MAGIC, PAGE_BYTES
from gharial_wire.card_control import ControlClient, ControlRefusedError

REFUSED, WRONG_CALL, NO_HARDWARE, DIFFERENT = 1, 2, 3, 4
WRITE_BYTES = 4096
DEFAULT_ROOT = Path(os.environ.get("GHARIAL_HARDWARE_ROOT", "/run/gharial"))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    arguments = parser().parse_args(argv)
    try:
        if arguments.command == "devices":
            return devices(arguments)
        image = read_image(arguments.image, arguments.offset)
        return arguments.action(arguments, image)  # type: ignore[no-any-return]
    except ValueError as error:
        return fail(WRONG_CALL, str(error))
    except ControlRefusedError as error:
        return fail(REFUSED, str(error))
    except OSError as error:
        return fail(NO_HARDWARE, str(error))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="gharial-sim-flash", description=(__doc__ or "").split("\n", 1)[0])
    top.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="root of the simulated hardware (%(default)s)")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("devices", help="list the devices on the JTAG chain")
    for name, action, text in (
        ("program", program, "write an image into a card's flash memory"),
        ("verify", verify, "compare a card's flash memory with an image"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--jtag-id", type=int, required=True, help="number of the device on the JTAG chain")
        command.add_argument("--offset", type=int, required=True, help="0 for page 0, 4096 for the bitstream")
        command.add_argument("image", type=Path, help="the file to write or to compare with")
        command.set_defaults(action=action)
    return top


def read_image(path: Path, offset: int) -> bytes:
    """The image, once it fits its offset: page 0 goes to 0 and nothing else does. Raises ValueError."""
    try:
        image = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read the image: {error}") from None
    if not image:
        raise ValueError(f"{path} is empty")
    is_page_0 = image.startswith(MAGIC)
    if offset == 0 and not (is_page_0 and len(image) == PAGE_BYTES):
        raise ValueError(f"{path} is no page 0: at offset 0 goes page 0 alone, {PAGE_BYTES} bytes with its magic line")
    if offset != 0 and (offset != BODY_OFFSET or is_page_0):
        raise ValueError(f"offset {offset}: page 0 goes to 0 and the bitstream to {BODY_OFFSET}")
    return image


def devices(arguments: argparse.Namespace) -> int:
    """Prints the JTAG chain."""
    with ControlClient(arguments.root) as hardware:
        for device in hardware.call("devices")["devices"]:
            print(device["jtagId"])
    return 0


def program(arguments: argparse.Namespace, image: bytes) -> int:
    """Writes the image, page by page."""
    ignore_signals()
    with ControlClient(arguments.root) as hardware:
        write_image(hardware, arguments.jtag_id, arguments.offset, image)
    say("programmed; a power cycle makes it live")
    return 0


def ignore_signals() -> None:
    """From now on a write is finished also when the tool is asked to end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def write_image(hardware: ControlClient, jtag_id: int, offset: int, image: bytes) -> None:
    """One programming session, with a line for each page. Raises ControlRefusedError."""
    say(f"device {jtag_id}: erasing {len(image)} bytes at offset {offset}")
    hardware.call("begin", jtagId=jtag_id, offset=offset, length=len(image))
    for start in range(0, len(image), WRITE_BYTES):
        page = image[start : start + WRITE_BYTES]
        data = base64.b64encode(page).decode()
        hardware.call("write", jtagId=jtag_id, offset=offset + start, data=data)
        say(f"progress {100 * (start + len(page)) // len(image)} %")
    hardware.call("end", jtagId=jtag_id)


def verify(arguments: argparse.Namespace, image: bytes) -> int:
    """Reads back and compares."""
    with ControlClient(arguments.root) as hardware:
        read = hardware.call("digest", jtagId=arguments.jtag_id, offset=arguments.offset, length=len(image))
    if read["sha256"] != hashlib.sha256(image).hexdigest():
        return fail(DIFFERENT, f"device {arguments.jtag_id}: the flash memory differs from {arguments.image}")
    say("verified")
    return 0


def say(text: str) -> None:
    """One line of progress, at once; nobody may be listening any more."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115


def fail(status: int, text: str) -> int:
    """Says what is wrong and returns the exit status."""
    print(f"gharial-sim-flash: error: {text}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
