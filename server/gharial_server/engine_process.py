"""The engine's process: loads the model, then serves the front ends that knock at its door.

Started by `gharial serve` as `python -m gharial_server.engine_process DOOR LOG_LEVEL`. Settings come as one line of
JSON on standard input, which stays open as long as the parent lives: its end ends this process too. Standard output
carries one line at a time for the parent: `ready`, or `failed` and why.
"""

import os
import socket
import sys
import threading
import time

from pydantic import TypeAdapter

from gharial_server import logs
from gharial_server.engine.interface import Engine, Step
from gharial_server.link.door import take
from gharial_server.link.host import LinkHost
from gharial_server.loading import load_engine
from gharial_server.settings import Settings

# How often the engine's health is looked after, in seconds.
CHECK_EVERY = 0.25
# When the parent is gone: how long front ends may tell their streams so, and how long the engine may take to leave card
# and memory in order, in seconds. A keeper waits for both.
FAREWELL_SECONDS = 4.0
STOP_SECONDS = 5.0


class EngineProcess:
    """One engine and the front ends that it serves."""

    def __init__(self, door: socket.socket) -> None:
        self._door = door
        self._engine: Engine | None = None
        self._hosts: list[LinkHost] = []
        threading.Thread(target=self._end_with_parent, name="parent", daemon=True).start()

    def run(self, settings: Settings) -> None:
        """Serves until the engine dies: RuntimeError. Raises what `load_engine` raises."""
        self._engine = load_engine(settings, self._observe)
        tell("ready")
        self._door.settimeout(CHECK_EVERY)
        while self._engine.alive:
            try:
                host = LinkHost(self._engine, take(self._door))
            except TimeoutError:
                continue
            host.start()
            self._hosts = [*(old for old in self._hosts if not old.is_over), host]
        raise RuntimeError("EngineFailed: the recogniser has stopped; see the log above for its reason")

    def _observe(self, step: Step) -> None:
        """Metrics are kept by the front end that came last."""
        if self._hosts:
            self._hosts[-1].observe(step)

    def _end_with_parent(self) -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        # An engine that stopped at once would look to the front end like one that failed.
        deadline = time.monotonic() + FAREWELL_SECONDS
        while not all(host.is_over for host in self._hosts) and time.monotonic() < deadline:
            time.sleep(0.02)
        if self._engine is not None:
            stopping = threading.Thread(target=self._engine.stop, daemon=True)
            stopping.start()
            stopping.join(STOP_SECONDS)
        os._exit(0)  # whatever else is under way, a download too


def tell(line: str) -> None:
    """Says one line to the parent."""
    print(" ".join(line.split()), flush=True)


def main() -> int:
    """Runs the process."""
    door, level = int(sys.argv[1]), sys.argv[2]
    logs.configure(level)
    settings = TypeAdapter(Settings).validate_json(sys.stdin.buffer.readline())
    try:
        EngineProcess(socket.socket(fileno=door)).run(settings)
    except (OSError, RuntimeError, ValueError) as error:
        tell(f"failed {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
