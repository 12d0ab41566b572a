"""A real `gharial simcard` process with the real flash tool, for tests."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gharial_wire.card_control import ControlClient, Fault

# Where a child process finds our sources, whatever pytest put onto the path of this one.
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
TOOL = [sys.executable, "-m", "gharial_simcard.flash_tool"]


# A machine that does other work too takes this much longer; a condition that holds costs no test a second of it.
PATIENCE = 3


def eventually(what: Callable[[], bool], seconds: float = 10) -> None:
    """Waits for a condition that takes at most so long on an idle machine; fails the test when it does not come."""
    deadline = time.monotonic() + PATIENCE * seconds
    while not what():
        assert time.monotonic() < deadline, "the condition did not come about in time"
        time.sleep(0.1)


@dataclass
class Cards:
    """A running set of simulated cards."""

    root: Path
    words: list[str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "gharial_cli", "simcard", "--root", str(self.root), *self.words]
        self.process = subprocess.Popen(command, env=ENVIRONMENT)
        eventually(self.answers, 30)

    def answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None, "gharial simcard ended"
        try:
            return bool(self.state())
        except OSError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def state(self) -> list[dict[str, Any]]:
        with ControlClient(self.root, 10) as hardware:
            cards: list[dict[str, Any]] = hardware.call("state")["cards"]
            return cards

    def call(self, request: str, **fields: object) -> dict[str, Any]:
        with ControlClient(self.root, 10) as hardware:
            return hardware.call(request, **fields)

    def inject(self, fault: Fault, times: int | str = 1, card: int = 0) -> None:
        self.call("inject", cardId=self.state()[card]["cardId"], fault=str(fault), times=times)

    def flash_tool(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*TOOL, "--root", str(self.root), *words],
            capture_output=True,
            text=True,
            timeout=60,
            env=ENVIRONMENT,
            **options,
        )

    def sysfs(self, address: str = "0000:25:00.0") -> Path:
        return self.root / "hardware" / "sys" / "bus" / "pci" / "devices" / address
