"""Files that are there whole or not at all, also after a crash; locks that end with whoever holds them."""

import fcntl
import os
from pathlib import Path
from typing import IO


def write_atomically(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Writes a hidden file beside the target, syncs it, and renames it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def locked(file: IO[str]) -> bool:
    """Takes the file's lock, unless another process holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
