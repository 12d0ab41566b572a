"""The cache of programs: what is there is taken, what is missing is built."""

from dataclasses import dataclass
from pathlib import Path

from gharial_cluster.binaries.recipes import PROGRAMS
from gharial_cluster.paths import cache_root


@dataclass(frozen=True)
class Binaries:
    """Programs below `root`, one folder per component and version."""

    root: Path

    @classmethod
    def default(cls) -> "Binaries":
        """The programs in the user's cache."""
        return cls(cache_root() / "bin")

    def path(self, name: str) -> Path:
        """Where the program called `name` is, or will be."""
        return self.root / PROGRAMS[name].location

    def ensure(self, *names: str) -> dict[str, Path]:
        """The paths of the programs called `names`.

        Raises:
            RuntimeError: a program is missing.
        """
        missing = [name for name in names if not self.path(name).exists()]
        if missing:
            raise RuntimeError(f"not in {self.root}: {', '.join(missing)}")
        return {name: self.path(name) for name in names}
