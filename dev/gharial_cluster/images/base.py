"""The base image: the public one where a registry answers, else one of the same name made from Debian's packages.

The stand-in has what the Dockerfile counts on: python3 of the same minor version with `venv`, `pip`, `useradd` and the
certificates of public authorities.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gharial_cluster.images.buildah import Buildah
    from gharial_cluster.images.layout import Progress

REGISTRY = "https://registry-1.docker.io/v2/"
SUITE = "bookworm"
PACKAGES = "python3,python3-venv,ca-certificates"
# Of no use in an image; two thirds of the packages' size.
UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt/lists", "var/cache/apt", "var/log")
PIP = """#!/bin/sh
# Debian ships pip as a wheel for venv's use; pip runs from a wheel as well.
exec python3 "$(echo /usr/share/python-wheels/pip-*.whl)/pip" "$@"
"""


def ensure(tool: Buildah, name: str, progress: Progress) -> None:
    """Makes sure that the storage holds the base image.

    Raises RuntimeError when it can neither be pulled nor made.
    """
    if tool.has(name):
        return
    if _registry_answers():
        progress(f"images: pulling {name}")
        try:
            tool.run(["pull", name])
            return
        except RuntimeError as error:
            progress(f"images: {str(error).splitlines()[-1]}")
    progress(f"images: no registry in reach; making {name} with debootstrap (about a minute)")
    install("debootstrap", "debootstrap")
    work = tool.folder / "tmp" / "base"
    shutil.rmtree(work, ignore_errors=True)
    try:
        _debootstrap(work / "root")
        with tarfile.open(work / "root.tar", "w") as archive:
            archive.add(work / "root", arcname=".")
        (work / "Dockerfile").write_text('FROM scratch\nADD root.tar /\nCMD ["python3"]\n')
        tool.run(["bud", "--isolation", "chroot", "--tag", name, str(work)])
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _registry_answers() -> bool:
    try:
        urllib.request.urlopen(REGISTRY, timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.code == 401  # "Who are you?" is an answer.
    except OSError:
        return False
    return True


def _debootstrap(root: Path) -> None:
    """A minimal Debian with Python in `root`."""
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode:
        end = "\n".join(outcome.stdout.splitlines()[-5:])
        raise RuntimeError(f"debootstrap failed; is a Debian mirror in reach? Its output ends:\n{end}")
    for folder in UNUSED:
        shutil.rmtree(root / folder, ignore_errors=True)
        (root / folder).mkdir(parents=True)
    pip = root / "usr/local/bin/pip"
    pip.write_text(PIP)
    pip.chmod(0o755)


def install(program: str, package: str) -> None:
    """Installs a Debian package unless its program is there.

    Raises RuntimeError when apt-get cannot.
    """
    if shutil.which(program) is not None:
        return
    if shutil.which("apt-get") is None:
        raise RuntimeError(f"{program} is needed to build images here: install {package}, or docker 25 or newer")
    install_it = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", package]
    for command in (install_it, ["apt-get", "update", "--quiet"], install_it):
        outcome = subprocess.run(command, capture_output=True, text=True, check=False)
        if shutil.which(program) is not None:
            return
    raise RuntimeError(f"apt-get could not install {package}:\n{outcome.stderr[-500:]}")
