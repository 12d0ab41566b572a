"""The Tcl script for ACE, and what its output says. Pure.

The commands and the order of their words are those of the CAIMAN-ASR documentation. The rest makes sure that a failure
is never taken for success: a console goes on after an error and ends with status 0, so everything happens inside one
`catch`; the last line is our own, and the script puts it together, so that an echo of the script is not taken for it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from gharial_agent.cards.protocol import CardError

SAFE = re.compile(r"[A-Za-z0-9_/.-]")
# A console's prompt may stand before what a command prints.
STEP = re.compile(r"gharial:step:(\d+):(\d+):")
FAILED = re.compile(r"gharial:failed:(.*)")
PERCENT = re.compile(r"(\d{1,3})(?:\.\d+)?\s?%")
# How the vendor's tools mark what went wrong; a command may say so and return all the same.
ERROR = re.compile(r"^\s*(?:ERROR|FATAL)\b")


@dataclass(frozen=True)
class Write:
    """One spi::program_bitstream: the file, the number that the documentation puts after it, the offset in bytes."""

    file: Path
    count: int
    offset: int


def flash_script(writes: tuple[Write, ...], device: str, verify: Path | None, token: str) -> str:
    """The whole script.

    device: id on the JTAG chain, empty for the only one there is. verify: a Tcl file that defines `gharial_verify file
    offset device_id`, which raises an error when the flash memory differs. token: see `proof`.
    """
    steps = len(writes) + (len(writes) if verify else 0)
    body = [f"source {word(str(verify))}"] if verify else []
    body += choose_device(device)
    for number, write in enumerate(writes):
        body.append(say_step(number, steps, f"writing at offset {write.offset}"))
        body.append(
            f"spi::program_bitstream config2 {word(str(write.file))} {write.count} -offset {write.offset} "
            "-device_id $jtag_id -switch30"
        )
    if verify:
        for number, write in enumerate(writes, len(writes)):
            body.append(say_step(number, steps, f"reading back from offset {write.offset}"))
            body.append(f"gharial_verify {word(str(write.file))} {write.offset} $jtag_id")
    lines = "\n".join(f"    {line}" for line in body)
    failed = r"[string map [list \n { } \r { }] $gharial_why]"
    return (
        f"if {{[catch {{\n{lines}\n}} gharial_why]}} {{\n"
        f"    puts [join [list gharial failed {failed}] :]\n    flush stdout\n    exit 1\n"
        f"}} else {{\n    puts [join {{gharial done {token}}} :]\n    flush stdout\n    exit 0\n}}\n"
    )


def say_step(number: int, steps: int, what: str) -> str:
    """A command that says which step begins, counted from 0."""
    return f"puts [join {{gharial step {number} {steps} {{{what}}}}} :]; flush stdout"


def choose_device(device: str) -> list[str]:
    """Commands that set jtag_id, or raise an error that names the devices there are."""
    lines = ["set gharial_devices [jtag::get_connected_devices]", 'puts "gharial:devices:$gharial_devices"']
    if device:
        test = f"[lsearch -exact $gharial_devices {word(device)}] < 0"
        message = f'"device {device} is not on the JTAG chain; on it are: $gharial_devices"'
        choice = f"set jtag_id {word(device)}"
    else:
        test = "[llength $gharial_devices] != 1"
        message = (
            '"the JTAG chain must show exactly one device, or the agent be told which (--jtag-map): $gharial_devices"'
        )
        choice = "set jtag_id [lindex $gharial_devices 0]"
    return [*lines, f"if {{{test}}} {{ error {message} }}", choice]


def word(text: str) -> str:
    """The text as one word of Tcl, whatever is in it. Raises CardError for what the tool's encoding may change."""
    if not text or not text.isascii() or not text.isprintable():
        raise CardError(
            f"{text!r} cannot be told to the flash tool: use a path of printable ASCII (agent option --state)"
        )
    return "".join(letter if SAFE.match(letter) else f"\\{letter}" for letter in text)


def progress(output: str) -> int | None:
    """Percent of the whole script: the step it has come to, and the tool's last percentage since."""
    step, steps, percent = 0, 0, 0
    for line in output.splitlines():
        if found := STEP.search(line):
            step, steps, percent = int(found[1]), int(found[2]), 0
        elif found := PERCENT.search(line):
            percent = min(int(found[1]), 100)
    return (100 * step + percent) // steps if steps else None


def proof(token: str) -> str:
    """The line that the script prints when it has done everything."""
    return f"gharial:done:{token}"


def complaint(status: int, output: str, wanted: str) -> str:
    """Why the run has failed; empty only when it ended well and printed the line that was wanted."""
    lines = output.splitlines()
    for line in lines:
        if found := FAILED.search(line):
            return f"ACE: {found[1].strip()}"
    for line in lines:
        if ERROR.match(line):
            return f"ACE: {line.strip()}"
    said = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
    if status != 0:
        return f"ACE ended with status {status}: {said}"
    if wanted not in output:
        return f"ACE ended without having done all of its script: {said}"
    return ""
