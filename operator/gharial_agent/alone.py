"""One agent per node at a time, also where Kubernetes starts the next before the last has ended.

A pod that is deleted by force leaves the API server at once, and its successor starts while it may still finish a
write. Two agents would flash the same card. The lock lies in the agents' common folder; the kernel frees it with the
process.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gharial_agent import web
from gharial_agent.files import locked

log = logging.getLogger(__name__)

LOCK = "lock"
POLL_SECONDS = 0.5


@contextmanager
def alone(folder: Path, port: int, stopping: threading.Event) -> Iterator[bool]:
    """Waits until no other agent works in this folder; False when asked to stop before that.

    Meanwhile /healthz answers on the port, so that the wait is not taken for a hang. Raises OSError when the folder
    cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as lock:
        if not locked(lock):
            log.warning("another agent of this node still works; waiting until it has ended (%s)", folder / LOCK)
            pulse = web.Pulse()
            server = web.serve(port, pulse)
            while not (free := locked(lock)) and not stopping.wait(POLL_SECONDS):
                pulse.beat()
            server.shutdown()
            server.server_close()
            if not free:
                yield False
                return
        yield True
