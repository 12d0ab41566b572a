"""`gharial-sim-ace`: stands for ACE, the tool by which Achronix cards are flashed, before simulated cards.

    gharial-sim-ace [--root FOLDER] -lab_mode -batch < script.tcl

A real Tcl interpreter with the two commands that the CAIMAN-ASR documentation uses, and strict: what is not
written as the documentation writes it is refused. As a console does, it reads command by command, goes on after an
error, and ends with status 0 at the end of its input whatever happened; `exit` ends it with a status. Writes go to the
simulated hardware, with its faults. `simcard::compare file offset device_id` is no command of ACE: what ACE offers for
reading back is not in the documentation. Needs Python's Tcl (tkinter), which slim images lack.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gharial_wire.bitstream import BODY_OFFSET
from gharial_wire.card_control import ControlClient, ControlRefusedError

from gharial_simcard.flash_tool import DEFAULT_ROOT, ignore_signals, read_image, write_image

if TYPE_CHECKING:
    import tkinter

WRONG_CALL, NO_TCL = 2, 3
PROMPT = "cmd> "
# The number that stands after the file name, by offset.
COUNTS = {0: "1", BODY_OFFSET: "4"}
COMMANDS = """
namespace eval jtag { proc get_connected_devices {args} { return [::simulated devices {*}$args] } }
namespace eval spi { proc program_bitstream {args} { return [::simulated program {*}$args] } }
namespace eval simcard { proc compare {args} { return [::simulated compare {*}$args] } }
proc simulated {args} {
    lassign [::hardware {*}$args] good answer
    if {!$good} { error $answer }
    return $answer
}
proc exit {{status 0}} { flush stdout; ::hardware exit $status }
fconfigure stdout -buffering line
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the console and returns its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    root = DEFAULT_ROOT
    if words[:1] == ["--root"] and len(words) > 1:
        root, words = Path(words[1]), words[2:]
    if sorted(words) != ["-batch", "-lab_mode"]:
        print("ace: no licence found: start it with -lab_mode -batch, and with nothing else", file=sys.stderr)
        return WRONG_CALL
    try:
        interpreter = make_interpreter(Hardware(root))
    except ImportError as error:
        print(f"gharial-sim-ace: this Python has no Tcl ({error}); install its tkinter", file=sys.stderr)
        return NO_TCL
    console(interpreter, sys.stdin.readlines())
    return 0


def make_interpreter(hardware: "Hardware") -> "tkinter.Tk":
    """A Tcl interpreter with the tool's commands. Raises ImportError where Python has no Tcl."""
    import tkinter

    interpreter = tkinter.Tcl()
    interpreter.createcommand("hardware", hardware.call)
    interpreter.eval(COMMANDS)
    return interpreter


def console(interpreter: "tkinter.Tk", lines: Sequence[str]) -> None:
    """Evaluates one command after another, as they become complete."""
    import tkinter

    command = ""
    for line in lines:
        if not command:
            print(PROMPT, end="", flush=True)
        command += line
        if not interpreter.tk.call("info", "complete", command):
            continue
        try:
            answer = interpreter.eval(command)
        except tkinter.TclError as error:
            answer = str(error)
        interpreter.eval("flush stdout")
        print(answer, flush=True)
        command = ""


class Hardware:
    """The tool's commands. An answer is a pair: whether all went well, and the result or what went wrong."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def call(self, name: str, *words: str) -> tuple[bool, object]:
        """One command."""
        commands: dict[str, Callable[..., object]] = {
            "devices": self.devices,
            "program": self.program,
            "compare": self.compare,
            "exit": leave,
        }
        try:
            return True, commands[name](*words)
        except TypeError:
            return False, "wrong # args: see the command's documentation"
        except (ValueError, OSError, ControlRefusedError) as error:
            return False, str(error)

    def devices(self) -> tuple[str, ...]:
        """Ids of the devices on the JTAG chain."""
        with ControlClient(self._root) as hardware:
            return tuple(device_id(device["jtagId"]) for device in hardware.call("devices")["devices"])

    def program(self, config: str, file: str, count: str, *words: str) -> str:
        """spi::program_bitstream config2 FILE COUNT -offset N -device_id ID -switch30."""
        if config != "config2":
            raise ValueError(f"unknown configuration {config!r}: this card has config2")
        options = read_options(words)
        offset = int(options["-offset"])
        image = read_image(Path(file), offset)
        if count != COUNTS[offset]:
            raise ValueError(f"{count!r} does not go with offset {offset}: it takes {COUNTS[offset]}")
        ignore_signals()
        with ControlClient(self._root) as hardware:
            write_image(hardware, self._device(options["-device_id"]), offset, image)
        return ""

    def compare(self, file: str, offset: str, device: str) -> str:
        """Reads back and compares."""
        image = Path(file).read_bytes()
        with ControlClient(self._root) as hardware:
            read = hardware.call("digest", jtagId=self._device(device), offset=int(offset), length=len(image))
        if read["sha256"] != hashlib.sha256(image).hexdigest():
            raise ValueError(f"verification: the flash memory differs from {file} at offset {offset}")
        return ""

    def _device(self, name: str) -> int:
        with ControlClient(self._root) as hardware:
            for device in hardware.call("devices")["devices"]:
                if device_id(device["jtagId"]) == name:
                    return int(device["jtagId"])
        raise ValueError(f"no device {name!r} is connected")


def device_id(number: int) -> str:
    """The id of the device with this number on the chain; real ones are serial numbers of that form."""
    return f"SIMVP{number:07d}"


def read_options(words: Sequence[str]) -> dict[str, str]:
    """The options of spi::program_bitstream: each must be there, once. Raises ValueError."""
    options: dict[str, str] = {}
    left = list(words)
    while left:
        name = left.pop(0)
        if name in options or name not in {"-offset", "-device_id", "-switch30"}:
            raise ValueError(f"{name!r} is no option, or stands there twice")
        if name != "-switch30" and not left:
            raise ValueError(f"{name} needs a value")
        options[name] = "" if name == "-switch30" else left.pop(0)
    missing = [name for name in ("-offset", "-device_id", "-switch30") if name not in options]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    if not options["-offset"].isdecimal():
        raise ValueError(f"offset {options['-offset']!r} is no number")
    return options


def leave(status: str = "0") -> None:
    """Ends the process at once, as Tcl's exit does."""
    sys.stdout.flush()
    os._exit(int(status))


if __name__ == "__main__":
    sys.exit(main())
