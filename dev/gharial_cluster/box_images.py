"""The images that every node has from the start, put together from the cache's programs."""

import subprocess
from pathlib import Path

from gharial_cluster.addons import coredns, envoy_gateway
from gharial_cluster.binaries.store import Binaries
from gharial_cluster.image_archive import ImageRecipe, write_archive
from gharial_cluster.node_plan import PAUSE_IMAGE
from gharial_cluster.paths import cache_root

_PASSWD = "nobody:x:65532:65532:nobody:/tmp:/sbin/nologin\n"


def ensure_box_images(binaries: Binaries) -> dict[str, Path]:
    """Image reference -> archive, made when missing."""
    programs = binaries.ensure("pause", "coredns", "envoy", "envoy-gateway")
    recipes = (
        ImageRecipe(PAUSE_IMAGE, {"/pause": programs["pause"]}, ("/pause",)),
        ImageRecipe(coredns.IMAGE, {"/coredns": programs["coredns"]}, ("/coredns",)),
        ImageRecipe(
            envoy_gateway.IMAGE,
            _envoy_files(programs["envoy"], programs["envoy-gateway"]),
            ("/usr/local/bin/envoy-gateway",),
        ),
    )
    archives = {}
    for recipe in recipes:
        archive = cache_root() / "images" / "box" / f"{recipe.reference.replace('/', '_').replace(':', '_')}.tar"
        if not archive.exists():
            write_archive(recipe, archive)
        archives[recipe.reference] = archive
    return archives


def _envoy_files(envoy: Path, controller: Path) -> dict[str, Path | str]:
    """Envoy with the libraries it is linked to, taken from the host, and Envoy Gateway, which needs none."""
    files: dict[str, Path | str] = {
        "/usr/local/bin/envoy": envoy,
        "/usr/local/bin/envoy-gateway": controller,
        "/etc/passwd": _PASSWD,
        "/etc/nsswitch.conf": "hosts: files dns\n",
        "/tmp/.keep": "",
        "/var/lib/eg/.keep": "",
    }
    libraries = linked_libraries(envoy)
    # The resolver is loaded by name at run time, from beside the C library.
    folder = next(library.parent for library in libraries if library.name.startswith("libc.so"))
    resolver = [folder / name for name in ("libnss_dns.so.2", "libresolv.so.2")]
    files |= {str(library): library for library in (*libraries, *resolver) if library.exists()}
    return files


def linked_libraries(program: Path) -> list[Path]:
    """The shared libraries that the program needs, its loader among them.

    Raises:
        RuntimeError: the host cannot tell, or lacks one.
    """
    done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
    words = [line.split() for line in done.stdout.splitlines()]
    if done.returncode != 0 or any("not found" in line for line in done.stdout.splitlines()):
        raise RuntimeError(f"{program} misses a library of this machine: {done.stdout or done.stderr}")
    return [Path(word) for line in words for word in line if word.startswith("/")]
