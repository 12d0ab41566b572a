"""Writing a bitstream into a card by calling the flash tool, step by step, each step written down before it happens.

The tool is a program of its own and the agent never kills it: it runs in a session of its own, reads its script from a
file and writes to a log file, so that it outlives the agent's process. It also holds a lock, which the kernel frees
when it ends: whoever comes after waits for that. What ends the tool all the same is the end of the container around
both.
"""

import fcntl
import logging
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gharial_agent.cards.protocol import CardDriver, CardError, FlashTarget, ToolRun, last_line
from gharial_agent.files import locked
from gharial_agent.store import Intent, Step, Store

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
# In the folder of each card.
LOG = "tool.log"
LOCK = "tool.lock"

#: Called with a percentage of the whole flash, the time at which the tool last said something (seconds since 1970), and
#: a note.
Progress = Callable[[int, float, str], None]


class Flasher:
    """Flashes one card at a time. `folder` holds what the tool reads and its log, for each card."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder

    def flash(self, driver: CardDriver, unique_id: str, image: bytes, intent: Intent, progress: Progress) -> None:
        """Writes and verifies; the intent, already stored as WRITING, moves to WRITTEN. Raises CardError."""
        folder = self._folder / unique_id
        folder.mkdir(parents=True, exist_ok=True)
        runs = driver.flash_runs(self._target(unique_id), image, folder)
        total = sum(run.share for run in runs) or 1
        done = 0
        for run in runs:
            self._run(driver, unique_id, run, folder, scaled(progress, done, run.share, total))
            done += run.share
        self._store.intend(unique_id, replace(intent, step=Step.WRITTEN, time=time.time()))

    def wait_for_predecessor(self, unique_id: str, progress: Progress) -> None:
        """Waits for a tool that an agent before this one started and that still writes."""
        folder = self._folder / unique_id
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK).open("a") as lock:
            while not locked(lock):
                progress(0, (folder / LOG).stat().st_mtime, "by an earlier agent's tool, which is waited for")
                time.sleep(POLL_SECONDS)

    def _target(self, unique_id: str) -> FlashTarget:
        cards = self._store.cards()
        record = cards[unique_id]
        alone = all(name == unique_id or card.driver != record.driver for name, card in cards.items())
        return FlashTarget(unique_id, record.jtag_id, alone)

    def _run(self, driver: CardDriver, unique_id: str, run: ToolRun, folder: Path, progress: Progress) -> None:
        log.info("card %s: %s", unique_id, " ".join(run.command))
        output = folder / LOG
        source = run.stdin or Path("/dev/null")
        with output.open("wb") as log_file, source.open("rb") as script, (folder / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = subprocess.Popen(
                run.command, stdin=script, stdout=log_file, stderr=subprocess.STDOUT, cwd=folder,
                start_new_session=True, pass_fds=[lock.fileno()],
            )  # fmt: skip
            follow(driver, process, output, progress)
            # Freed for all who hold it: a helper that the tool left behind must not block the next flash.
            fcntl.flock(lock, fcntl.LOCK_UN)
        complaint = driver.complaint(run, process.returncode, read_output(output))
        if complaint:
            raise CardError(complaint)


def follow(driver: CardDriver, process: "subprocess.Popen[bytes]", output: Path, progress: Progress) -> None:
    """Reports what the tool says of its progress until it ends, however long that takes."""
    said, heard = "", time.time()
    while process.poll() is None:
        time.sleep(POLL_SECONDS)
        text = read_output(output)
        line = last_line(text)
        if line != said:
            said, heard = line, time.time()
        progress(driver.progress(text) or 0, heard, "")


def scaled(progress: Progress, done: int, share: int, total: int) -> Progress:
    """Turns a run's percentage into that of the whole flash."""
    return lambda percent, heard, note: progress((100 * done + percent * share) // total, heard, note)


def read_output(path: Path) -> str:
    """What a tool has written so far; a tool that counts by carriage returns writes lines, too."""
    return path.read_text(errors="replace").replace("\r", "\n")
