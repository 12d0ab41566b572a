"""A machine of the cluster as the host sees it: a recorded process whose namespaces are the machine."""

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gharial_cluster import processes
from gharial_cluster.files import write_atomically
from gharial_cluster.machine_plan import MachinePlan

_BOOT_SECONDS = 30.0
_TICK = 0.02


@dataclass(frozen=True)
class Machine:
    """One machine. Its power is the process in `record`: end that, and everything inside ends with it."""

    plan: MachinePlan
    record: Path
    log: Path

    @property
    def folder(self) -> Path:
        """The machine's folder on the host."""
        return Path(self.plan.folder)

    @property
    def power_id(self) -> Path:
        """A word that is another each time the machine gets its power back; inside: /run/gharial/power."""
        return self.folder / "hardware" / "power"

    @property
    def power(self) -> processes.Record | None:
        """The process that holds the machine's namespaces; None when the machine is off."""
        record = processes.read_record(self.record)
        return record if record is not None and record.alive() else None

    def forget_power(self) -> None:
        """What a time without power leaves for the next start: another power id, and no card on the simulated bus."""
        shutil.rmtree(self.folder / "hardware" / "hardware" / "sys", ignore_errors=True)
        write_atomically(self.power_id, f"{uuid.uuid4()}\n")

    def switch_on(self) -> None:
        """Makes the namespaces and starts init in them; returns when they can be entered.

        Raises:
            RuntimeError: init ended; the message holds its log.
        """
        if self.power is not None:
            return
        (self.folder / "booted").unlink(missing_ok=True)
        plan_file = self.folder / "machine.json"
        write_atomically(plan_file, self.plan.to_json())
        processes.start(
            self.record,
            self.log,
            (
                "unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--propagation=private",
                "--fork", "--kill-child=KILL",
                sys.executable, "-m", "gharial_cluster.machine_init", str(plan_file),
            ),
            {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )  # fmt: skip
        self._await(lambda: self.init_pid() is not None, "make its namespaces")

    def await_boot(self) -> None:
        """Returns when file system and network are made.

        Raises:
            RuntimeError: init ended or took too long; the message holds its log.
        """
        self._await((self.folder / "booted").exists, "boot")

    def switch_off(self) -> None:
        """A power cut: everything inside ends at once, and its mounts and devices with it."""
        record = processes.read_record(self.record)
        if record is not None:
            processes.stop(record, gently=False)
        self.record.unlink(missing_ok=True)

    def init_pid(self) -> int | None:
        """The host's process id of the machine's init; None while there is none."""
        power = self.power
        if power is None:
            return None
        try:
            children = Path(f"/proc/{power.pid}/task/{power.pid}/children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return int(children[0]) if children else None

    def enter_command(self, argv: Sequence[str]) -> list[str]:
        """The host command line that runs `argv` inside the machine.

        Raises:
            RuntimeError: the machine is off.
        """
        pid = self.init_pid()
        if pid is None:
            raise RuntimeError(f"{self.plan.name} is off; `gharial cluster up` switches it on")
        path = ":".join((*self.plan.path, os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")))
        return [
            "nsenter", "--target", str(pid), "--mount", "--pid", "--net", "--uts", "--ipc", "--",
            "env", f"PATH={path}", *argv,
        ]  # fmt: skip

    def run(self, argv: Sequence[str], stdin: Path | None = None) -> str:
        """Runs `argv` inside the machine and returns what it prints.

        Raises:
            RuntimeError: it failed; the message holds what it said.
        """
        with (stdin or Path(os.devnull)).open("rb") as source:
            done = subprocess.run(self.enter_command(argv), stdin=source, capture_output=True, check=False)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise RuntimeError(f"{self.plan.name}: {' '.join(argv)} failed ({done.returncode}): {said}")
        return done.stdout.decode(errors="replace")

    def service_log(self, service: str, lines: int = 12) -> str:
        """The last lines that a service wrote."""
        return processes.tail(self.folder / "var" / "log" / f"{service}.log", lines)

    def erase(self) -> None:
        """Removes what the machine wrote, except its containers' images."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _BOOT_SECONDS
        while not condition():
            if self.power is None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.plan.name} could not {what}:\n{processes.tail(self.log)}")
            time.sleep(_TICK)
