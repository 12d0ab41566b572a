"""Tells Kubernetes why the container ended: `kubectl describe pod` shows what is in the termination log."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

TERMINATION_LOG = Path("/dev/termination-log")
# Kubernetes shows the first 4096 bytes.
MAX_BYTES = 4096


@contextlib.contextmanager
def explain(path: Path = TERMINATION_LOG) -> Iterator[None]:
    """Writes the message of an error that ends the process into the container's termination log, if it has one."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        if path.is_file():
            with contextlib.suppress(OSError):
                path.write_bytes(str(error).encode()[:MAX_BYTES])
        raise
