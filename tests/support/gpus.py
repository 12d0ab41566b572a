"""GPUs that are not there: NVIDIA's own binding reads them through a stand-in for libnvidia-ml.so.1."""

import platform
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parent / "nvml" / "nvml.c"
GIB = 2**30


def build_library(folder: Path) -> Path:
    """Compiles the stand-in into a folder under the name that the binding looks for."""
    target = folder / "libnvidia-ml.so.1"
    flags = ["-O1", "-std=gnu17", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror"]
    machine = f"{platform.machine()}-linux-gnu"
    command = [sys.executable, "-m", "ziglang", "cc", *flags, "-target", machine, "-o", str(target), str(SOURCE)]
    subprocess.run(command, check=True, timeout=120)
    return target


class Gpus:
    """The GPUs of one node, as the file that the stand-in reads. Fields of a GPU are described in nvml.c."""

    def __init__(self, file: Path, count: int = 2) -> None:
        self.file = file
        self._events = 0
        self._fields: dict[str, object] = {"driver": "580.95.05", "count": count}
        for index in range(count):
            self._fields |= {
                f"{index}.uuid": f"GPU-00000000-0000-0000-0000-{index:012d}",
                f"{index}.name": "NVIDIA L4",
                f"{index}.bus": 0x3B + index,
                f"{index}.memory": 23 * GIB,
                f"{index}.used": GIB,
                f"{index}.utilisation": 40,
                f"{index}.rows": "0,0,0,0",
                f"{index}.clocks": 0,
                f"{index}.recovery": 0,
            }
        self._write()

    def change(self, **fields: object) -> None:
        """Sets or, by None, removes fields: `change(init=9)`."""
        self._fields |= fields
        self._write()

    def harm(self, index: int, **fields: object) -> None:
        """Sets or, by None, removes fields of one GPU: `harm(0, rows="0,1,1,0")`."""
        self.change(**{f"{index}.{name}": value for name, value in fields.items()})

    def xid(self, index: int, number: int) -> None:
        """The driver reports an error of a GPU."""
        self._events += 1
        self.change(xid=f"{self._events} {index} {number}")

    def _write(self) -> None:
        new = self.file.with_suffix(".new")
        new.write_text("".join(f"{key}={value}\n" for key, value in self._fields.items() if value is not None))
        new.replace(self.file)
