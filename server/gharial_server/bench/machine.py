"""What a measurement was taken on: a figure without its machine says nothing."""

import os
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# Instruction sets that decide how fast int8 products are, as Linux names them.
DECISIVE_FLAGS = (
    "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm", "sve"
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """cpu: the model's name. flags: those of DECISIVE_FLAGS it has. cores: that this process may use.

    load: other work, as the machine's load average of one minute before the measurement. commit: of the source tree,
    with -dirty when it was changed since; the package's version where there is no tree.
    """

    cpu: str
    flags: tuple[str, ...]
    cores: int
    load: float
    commit: str


def this_machine() -> Machine:
    """The machine that this process runs on."""
    facts = _cpu_facts(Path("/proc/cpuinfo"))
    flags = set((facts.get("flags") or facts.get("Features") or "").split())
    return Machine(
        cpu=facts.get("model name") or facts.get("CPU part") or os.uname().machine,
        flags=tuple(flag for flag in DECISIVE_FLAGS if flag in flags),
        cores=len(os.sched_getaffinity(0)),
        load=round(os.getloadavg()[0], 2),
        commit=_commit(Path(__file__).parent),
    )


def resident_bytes() -> int:
    """Memory of this process that is resident, shared pages included."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _cpu_facts(path: Path) -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo."""
    first = path.read_text().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _commit(folder: Path) -> str:
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        try:
            return version("gharial")
        except PackageNotFoundError:
            return "unknown"
