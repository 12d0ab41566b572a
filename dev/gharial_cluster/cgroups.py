"""cgroup folders of the box, on machines with cgroup v1, v2, or both."""

import contextlib
import os
from pathlib import Path

_V1 = "cgroup"
_V2 = "cgroup2"


def hierarchies() -> dict[Path, str]:
    """Mount point -> kind of every cgroup hierarchy of this machine."""
    found: dict[Path, str] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind = after.split()[0]
        if kind in (_V1, _V2):
            found[Path(before.split()[4])] = kind
    return found


def create(name: str) -> None:
    """Makes the folder `name` (with slashes) in every hierarchy, ready to hold processes.

    Raises:
        OSError: a hierarchy cannot be written; say so to the user with its path.
    """
    for root, kind in hierarchies().items():
        folder = root
        for part in name.strip("/").split("/"):
            parent, folder = folder, folder / part
            if kind == _V2:
                _delegate(parent)
            folder.mkdir(exist_ok=True)
            _inherit_cpuset(parent, folder)


def _delegate(folder: Path) -> None:
    """cgroup v2: lets the folder's children use every controller that it has."""
    try:
        controllers = (folder / "cgroup.controllers").read_text().split()
    except FileNotFoundError:
        return
    for controller in controllers:
        with contextlib.suppress(OSError):
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def _inherit_cpuset(parent: Path, folder: Path) -> None:
    """cgroup v1: a new cpuset has no processors and no memory, and takes no process, until it is told."""
    for setting in ("cpuset.cpus", "cpuset.mems"):
        mine = folder / setting
        if mine.exists() and not mine.read_text().strip() and (parent / setting).exists():
            value = (parent / setting).read_text().strip()
            if value:
                mine.write_text(value)


def enter(name: str) -> None:
    """Moves the calling process into the folder `name` of every hierarchy, making it when needed."""
    create(name)
    for root in hierarchies():
        (root / name.strip("/") / "cgroup.procs").write_text(str(0))


def remove(name: str) -> list[Path]:
    """Removes the folder `name` and all below it from every hierarchy; returns what would not go."""
    left: list[Path] = []
    for root in hierarchies():
        top = root / name.strip("/")
        for folder, _children, _files in os.walk(top, topdown=False):
            try:
                Path(folder).rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                left.append(Path(folder))
    return left
