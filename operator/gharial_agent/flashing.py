"""Writing a bitstream into a card by calling the flash tool, step by step, each step written down before it happens.

The tool is a program of its own and is never killed: it runs in a session of its own and writes to a log file, so
that it outlives the agent. Whoever comes after finds its process id in the intent and waits for it.
"""

import logging
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from gharial_agent.cards.protocol import CardDriver, CardError
from gharial_agent.files import write_atomically
from gharial_agent.store import Intent, Step, Store

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
# The tool is said to be silent after this time without a new line; it is left alone all the same.
SILENCE_SECONDS = 60.0

#: Called with a percentage of the whole flash and a note.
Progress = Callable[[int, str], None]


class Flasher:
    """Flashes one card at a time. `folder` holds the parts and the tool's log for each card."""

    def __init__(self, driver: CardDriver, store: Store, folder: Path) -> None:
        self._driver = driver
        self._store = store
        self._folder = folder

    def flash(self, unique_id: str, image: bytes, intent: Intent, progress: Progress) -> None:
        """Writes and verifies; the intent, already stored as WRITING, moves to WRITTEN. Raises CardError."""
        record = self._store.get(unique_id)
        assert record is not None, "a card is seen before it is flashed"
        folder = self._folder / unique_id
        parts = self._driver.parts(image)
        total = sum(len(part.data) for part in parts)
        done = 0
        for part in parts:
            file = folder / part.name
            write_atomically(file, part.data)
            command = self._driver.program_command(record.jtag_id, part, file)
            self._program(unique_id, command, folder, intent, scaled(progress, done, len(part.data), total))
            done += len(part.data)
        for part in parts:
            verify(self._driver.verify_command(record.jtag_id, part, folder / part.name), folder)
        self._store.intend(unique_id, replace(intent, step=Step.WRITTEN, time=time.time()))

    def wait_for_predecessor(self, unique_id: str, progress: Progress) -> None:
        """Waits for a tool that an agent before this one started and that still writes."""
        record = self._store.get(unique_id)
        tool = record.intent.tool if record and record.intent else None
        while tool is not None and start_time(tool[0]) == tool[1]:
            progress(0, "an earlier write is still under way and is waited for")
            time.sleep(POLL_SECONDS)

    def _program(
        self, unique_id: str, command: Sequence[str], folder: Path, intent: Intent, progress: Progress
    ) -> None:
        log.info("card %s: %s", unique_id, " ".join(command))
        output = folder / "tool.log"
        with output.open("wb") as sink:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._store.intend(unique_id, replace(intent, tool=(process.pid, start_time(process.pid) or 0)))
        self._follow(process, output, progress)
        if process.returncode != 0:
            raise CardError(f"{Path(command[0]).name} ended with status {process.returncode}: {last_line(output)}")

    def _follow(self, process: "subprocess.Popen[bytes]", output: Path, progress: Progress) -> None:
        said, since = "", time.monotonic()
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            line = last_line(output)
            if line != said:
                said, since = line, time.monotonic()
            percent = self._driver.progress(line)
            silent = time.monotonic() - since
            note = f"the flash tool has been silent for {silent:.0f} s" if silent > SILENCE_SECONDS else ""
            if percent is not None or note:
                progress(percent or 0, note)


def scaled(progress: Progress, done: int, size: int, total: int) -> Progress:
    """Turns a part's percentage into that of the whole flash; sizes in bytes."""
    return lambda percent, note: progress((100 * done + percent * size) // total, note)


def verify(command: Sequence[str], folder: Path) -> None:
    """Runs the tool's comparison. Raises CardError when the flash memory is not as it should be."""
    output = folder / "verify.log"
    with output.open("wb") as sink:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT).returncode
    if status != 0:
        raise CardError(f"verification ended with status {status}: {last_line(output)}")


def last_line(path: Path) -> str:
    """The last line of a tool's output that says something."""
    lines = path.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no output")


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when it has ended. Tells a reused pid from the first."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] == "Z" else int(fields[19])
