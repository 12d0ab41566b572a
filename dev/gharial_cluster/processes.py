"""Processes that outlive the command which started them, and how to find exactly those again.

A record holds the process id together with the process' start time and the machine's boot id, so a
process id that was given to somebody else since is never mistaken for ours. The record is written
by the process itself, before it becomes the program (see `spawn`): there is no moment at which a
program runs without a record.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_START_TIME_FIELD = 19  # of /proc/PID/stat, counted after the program's name


@dataclass(frozen=True)
class Record:
    """One process: `started` is in clock ticks since boot, as the kernel counts it."""

    pid: int
    started: int
    boot: str

    def alive(self) -> bool:
        """Whether that very process still runs (a zombie does not)."""
        return self.boot == boot_id() and start_time(self.pid) == self.started


def boot_id() -> str:
    """The machine's boot id."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """When process `pid` started, in clock ticks since boot; None when there is none or only a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[_START_TIME_FIELD])


def own_record() -> Record:
    """The record of the calling process."""
    pid = os.getpid()
    return Record(pid, start_time(pid) or 0, boot_id())


def to_json(record: Record) -> str:
    """What a record's file says."""
    return json.dumps(asdict(record)) + "\n"


def read_record(path: Path) -> Record | None:
    """The record in `path`; None when there is none, or none that can be read."""
    try:
        fields = json.loads(path.read_text())
        return Record(int(fields["pid"]), int(fields["started"]), str(fields["boot"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def start(record: Path, log: Path, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> Record:
    """Starts `argv` as a process of its own session, with its output in `log`, and returns its record.

    What runs under `record` already is left as it is.

    Raises:
        RuntimeError: the program did not start.
    """
    running = read_record(record)
    if running is not None and running.alive():
        return running
    record.parent.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("spawn.py")), str(record), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(os.environ) | dict(environment or {}),
            start_new_session=True,
        )
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = read_record(record)
        if found is not None:
            return found
        if child.poll() is not None:
            break
        time.sleep(0.005)
    raise RuntimeError(f"{argv[0]} did not start; its log is {log}:\n{tail(log)}")


def stop(record: Record, patience: float = 10.0, gently: bool = True) -> None:
    """Ends the process: SIGTERM when `gently`, and SIGKILL after `patience` seconds."""
    if not record.alive():
        return
    try:
        handle = os.pidfd_open(record.pid)
    except ProcessLookupError:
        return
    try:
        if not record.alive():
            return
        for number, wait in ((signal.SIGTERM, patience if gently else 0.0), (signal.SIGKILL, patience)):
            if number == signal.SIGTERM and not gently:
                continue
            signal.pidfd_send_signal(handle, number)
            if select.select([handle], [], [], wait)[0]:
                return
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
        _reap(record.pid)


def _reap(pid: int) -> None:
    """Takes the exit status when the process was a child of ours."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
