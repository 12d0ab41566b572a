"""Compiles the kernel's C files into the shared library beside them: `python -m gharial_asr.inference.native.build`.

The compiler is zig's, from PyPI (`ziglang`), so that a machine needs none of its own and every machine gets the same
code. The library asks for nothing newer than glibc 2.28. Its name tells the sources it was made from, so that one made
from others is never loaded. This file stands alone: packaging and images run it without the rest.
"""

import hashlib
import platform
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
# Nothing may fuse a multiplication with an addition, or differ by instruction set: bits are the same everywhere.
_FLAGS = (
    *("-O3", "-std=gnu17", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fwrapv"),
    *("-fvisibility=hidden", "-fPIC", "-shared", "-s", "-pthread", "-Wall", "-Wextra", "-Werror"),
)
GLIBC = "2.28"


def sources() -> list[Path]:
    """The C files and their header."""
    return sorted(path for path in FOLDER.iterdir() if path.suffix in (".c", ".h"))


def library() -> Path:
    """Where the library lies that is made of the sources as they are."""
    digest = hashlib.sha256(repr(_FLAGS).encode())
    for path in sources():
        digest.update(path.read_bytes())
    return FOLDER / f"kernel-{digest.hexdigest()[:12]}.so"


def build() -> Path:
    """Compiles the library unless it is there, and removes those of other sources. Raises RuntimeError."""
    target = library()
    if target.exists():
        return target
    partial = target.with_suffix(".part")
    files = [str(path) for path in sources() if path.suffix == ".c"]
    machine = f"{platform.machine()}-linux-gnu.{GLIBC}"
    command = [sys.executable, "-m", "ziglang", "cc", *_FLAGS, "-target", machine, "-o", str(partial), *files, "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(
            f"the int8 kernel was not compiled; is ziglang installed (pip install ziglang)? {done.stderr[-2000:]}"
        )
    for older in FOLDER.glob("kernel-*.so"):
        older.unlink(missing_ok=True)
    partial.replace(target)
    return target


if __name__ == "__main__":
    print(build())
