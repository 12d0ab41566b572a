"""`python3 -m slim SITE_PACKAGES`: see the package's own text."""

import shutil
import sys
from pathlib import Path

from . import elf
from .device_code import drop_device_code
from .stubs import stub

# What Python loads first; everything else is reached from there.
ROOTS = ("torch/_C*.so", "torch/lib/libtorch_global_deps.so", "torch/lib/libtorch_python.so")
# Needed to compile for GPUs or against torch, never to run on CPU cores.
FOLDERS = ("triton", "triton-*.dist-info", "cuda", "cuda_bindings-*.dist-info", "torch/include", "torch/share/cmake")
# The compiler of ONNX messages, and what is loaded only when a GPU solves linear equations.
FILES = ("torch/bin/protoc*", "torch/lib/libtorch_cuda_linalg.so")
# Kept as they are: small, and asked "is there a GPU?" by a torch that runs on CPU cores.
KEPT = ("libcudart.so.", "libcupti.so.")


def slim(site: Path) -> None:
    """Takes out of a site-packages folder what only GPUs need. Does nothing where torch was built without CUDA."""
    if not (site / "torch/lib/libtorch_cuda.so").exists():
        return
    for pattern in FOLDERS:
        for folder in site.glob(pattern):
            shutil.rmtree(folder)
    for pattern in FILES:
        for file in site.glob(pattern):
            file.unlink()
    wanted = _reached(site)
    for path in sorted(each for each in site.glob("nvidia/**/*") if each.is_file()):
        if path.name not in wanted:
            path.unlink()
        elif not path.name.startswith(KEPT):
            path.write_bytes(stub(elf.read(path)))
    for path in sorted(site.glob("torch/lib/*.so")):
        drop_device_code(path)


def _reached(site: Path) -> set[str]:
    """The file names that the loader asks for when torch is imported."""
    files = {path.name: path for pattern in ("torch/lib/*.so*", "nvidia/**/*.so*") for path in site.glob(pattern)}
    open_ends = [path for pattern in ROOTS for path in site.glob(pattern)]
    reached: set[str] = set()
    while open_ends:
        for name in elf.read(open_ends.pop()).needed:
            if name in files and name not in reached:
                reached.add(name)
                open_ends.append(files[name])
    return reached


if __name__ == "__main__":
    slim(Path(sys.argv[1]))
