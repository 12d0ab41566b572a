"""Which images there are, and what each is made from."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# The Dockerfile's FROM; a local image of the same name stands in where no registry answers.
BASE = "docker.io/library/python:3.11-slim-bookworm"

_COMMON = (
    "Dockerfile",
    ".dockerignore",
    "pyproject.toml",
    "dev/gharial_cluster/images/requirements.py",
    "cli/gharial_cli",
)
_CONTROL = (*_COMMON, "server/gharial_wire", "operator/gharial_api")
_FLASH_TOOL = ("server/gharial_simcard/__init__.py", "server/gharial_simcard/flash_tool.py")
_SERVER = (*_COMMON, "server", "models/starter", "dev/gharial_cluster/images/slim")


@dataclass(frozen=True)
class Target:
    """One image: a stage of the Dockerfile with build arguments. `sources` are relative to the checkout."""

    name: str
    stage: str
    sources: tuple[str, ...]
    variant: str = "cpu"

    @property
    def ref(self) -> str:
        """The image's full name, as containerd knows it when a pod asks for gharial/NAME:dev."""
        return f"docker.io/gharial/{self.name}:dev"


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("operator", "operator", (*_CONTROL, "operator/gharial_operator")),
        Target("agent", "agent", (*_CONTROL, "operator/gharial_kube", "operator/gharial_agent", *_FLASH_TOOL)),
        Target("server", "server", _SERVER),
        Target("server-cuda", "server", _SERVER, variant="cuda"),
    )
}


def input_digest(checkout: Path, target: Target, arguments: dict[str, str]) -> str:
    """A digest over everything that decides the image: file names, their executable bit, their bytes, build arguments.

    Raises:
        FileNotFoundError: a source is missing; the message names it.
    """
    digest = hashlib.sha256(repr(sorted(arguments.items())).encode())
    for path in _files(checkout, target.sources):
        executable = os.access(path, os.X_OK)
        digest.update(f"{path.relative_to(checkout)}\0{executable}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(checkout: Path, sources: Iterable[str]) -> Iterator[Path]:
    for source in sorted(set(sources)):
        path = checkout / source
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing, and an image is made from it: use a complete checkout")
        if path.is_file():
            yield path
        else:
            yield from sorted(each for each in path.rglob("*") if each.is_file() and _travels(each.relative_to(path)))


def _travels(path: Path) -> bool:
    """What is compiled here stays here: .dockerignore says the same."""
    return "__pycache__" not in path.parts and path.suffix != ".so"
