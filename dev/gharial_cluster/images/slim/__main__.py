"""Makes a torch that was built for GPUs run on CPU cores without NVIDIA's libraries. Two steps of an image build:

python3 -m slim requirements SITE_PACKAGES    what torch, installed alone, still needs, one requirement a line
python3 -m slim stubs SITE_PACKAGES           the libraries that the loader wants, as stubs; GPU code goes
"""

import shutil
import sys
from importlib.metadata import distributions
from pathlib import Path

from . import elf
from .device_code import drop_device_code
from .elf import Library, Wanted
from .stubs import stub

# Packages that only a GPU needs.
GPU_PACKAGES = ("nvidia-", "cuda-", "triton")
# Libraries that only a GPU needs.
GPU_LIBRARIES = ("libcu", "libnv", "libnccl")
# What Python loads first; everything else is reached from there.
ROOTS = ("torch/_C*.so", "torch/lib/libtorch_global_deps.so", "torch/lib/libtorch_python.so")
# Needed to compile against torch, never to run it.
UNUSED = ("torch/include", "torch/share/cmake", "torch/bin/protoc*")


def requirements(site: Path) -> list[str]:
    """What torch needs besides itself on CPU cores."""
    (torch,) = distributions(name="torch", path=[str(site)])
    wanted = [each for each in torch.requires or [] if not each.startswith(GPU_PACKAGES)]
    return [each for each in wanted if "extra ==" not in each]


def make_stubs(site: Path) -> None:
    """Writes the stubs beside torch's own libraries, and takes out what CPU cores have no use for."""
    for pattern in UNUSED:
        for path in site.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    files = {path.name: path for path in site.glob("torch/lib/*.so*")}
    reached = _reached(site, files)
    missing = {name for library in reached.values() for name in library.needed if name.startswith(GPU_LIBRARIES)}
    for name in sorted(missing - files.keys()):
        symbols = {symbol.name: symbol for library in reached.values() for symbol in _from(name, library)}
        machine = next(iter(reached.values())).machine
        (site / "torch/lib" / name).write_bytes(stub(name, machine, list(symbols.values())))
    for name, path in files.items():
        if name not in reached and any(each.startswith(GPU_LIBRARIES) for each in elf.read(path).needed):
            path.unlink()  # Loaded only once there is a GPU.
    for name in reached.keys() & files.keys():
        drop_device_code(files[name])


def _reached(site: Path, files: dict[str, Path]) -> dict[str, Library]:
    """torch's own libraries that the loader opens when torch is imported, by name."""
    open_ends = [path for pattern in ROOTS for path in site.glob(pattern)]
    reached: dict[str, Library] = {}
    while open_ends:
        path = open_ends.pop()
        reached[path.name] = elf.read(path)
        open_ends += [files[name] for name in reached[path.name].needed if name in files and name not in reached]
    return reached


def _from(name: str, library: Library) -> list[Wanted]:
    """The symbols that a file wants from the library `name`.

    Where it asks for versions, they say from which library. A library without versions names its functions after
    itself: ncclSend is in libnccl.
    """
    versioned = [symbol for symbol in library.wanted if symbol.library == name]
    prefix = name.removeprefix("lib").partition(".so")[0].lower()
    return versioned or [
        symbol
        for symbol in library.wanted
        if symbol.library is None and symbol.name.lower().startswith(prefix) and name in library.needed
    ]


if __name__ == "__main__":
    step, folder = sys.argv[1], Path(sys.argv[2])
    if step == "requirements":
        print("\n".join(requirements(folder)))
    else:
        make_stubs(folder)
