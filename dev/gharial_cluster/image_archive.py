"""Container images made of a few files, without a builder: an archive that containerd imports.

Enough for programs that need nothing but themselves (the pause container, CoreDNS) or a handful of
libraries (Envoy).
"""

import hashlib
import io
import json
import os
import platform
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class ImageRecipe:
    """An image of one layer.

    Attributes:
        reference: its name, with the tag.
        files: path in the image -> file on the host, or text.
        entrypoint: what a container of it runs.
        user: numeric user and group.
    """

    reference: str
    files: Mapping[str, Path | str]
    entrypoint: Sequence[str]
    user: str = "65532:65532"


def write_archive(recipe: ImageRecipe, target: Path) -> None:
    """Writes the image as a docker archive; the same recipe always gives the same bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=target.parent, suffix=".layer")
    os.close(descriptor)
    descriptor, archive = tempfile.mkstemp(dir=target.parent, suffix=".tar")
    os.close(descriptor)
    try:
        digest = _write_layer(recipe.files, Path(draft))
        config = json.dumps(_config(recipe, digest)).encode()
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = [{"Config": name, "RepoTags": [recipe.reference], "Layers": ["layer.tar"]}]
        with tarfile.open(archive, "w") as tar:
            tar.add(draft, "layer.tar", filter=_plain)
            _add_text(tar, name, config)
            _add_text(tar, "manifest.json", json.dumps(manifest).encode())
        Path(archive).replace(target)
    finally:
        Path(draft).unlink(missing_ok=True)
        Path(archive).unlink(missing_ok=True)


def _write_layer(files: Mapping[str, Path | str], draft: Path) -> str:
    """Writes the layer; returns its sha256."""
    with tarfile.open(draft, "w") as tar:
        for folder in sorted({str(parent) for name in files for parent in Path(name.lstrip("/")).parents} - {"."}):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for name, source in sorted(files.items()):
            if isinstance(source, str):
                _add_text(tar, name.lstrip("/"), source.encode())
            else:
                tar.add(source.resolve(), name.lstrip("/"), filter=_executable)
    with draft.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _config(recipe: ImageRecipe, layer_digest: str) -> dict[str, object]:
    return {
        "architecture": _ARCHITECTURES[platform.machine()],
        "os": "linux",
        "created": _EPOCH,
        "config": {
            "Entrypoint": list(recipe.entrypoint),
            "User": recipe.user,
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{"created": _EPOCH, "created_by": "gharial cluster"}],
    }


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


def _executable(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode = 0o755
    return _plain(entry)


def _add_text(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    tar.addfile(entry, io.BytesIO(content))


@dataclass(frozen=True)
class ArchivedImage:
    """The image in an archive: the digest of its configuration, and its full names."""

    digest: str
    references: tuple[str, ...]


def inspect_archive(archive: Path) -> ArchivedImage:
    """What a docker archive holds.

    Raises:
        ValueError: the file is no docker archive, or the image in it has no name.
    """
    try:
        with tarfile.open(archive) as tar:
            manifest = tar.extractfile("manifest.json")
            first = json.load(manifest)[0] if manifest is not None else {}
    except (KeyError, tarfile.TarError) as error:
        raise ValueError(
            f"{archive} is no docker archive ({error}); make one with buildah push … docker-archive:"
        ) from None
    if not first.get("RepoTags"):
        raise ValueError(f"the image in {archive} has no name; push it as docker-archive:FILE:NAME:TAG")
    digest = str(first["Config"]).removesuffix(".json").rpartition("/")[2]
    return ArchivedImage(digest, tuple(full_reference(name) for name in first["RepoTags"]))


def full_reference(name: str) -> str:
    """An image's name with its registry, as containerd keeps it."""
    first, slash, _rest = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    return name if "." in first or ":" in first or first == "localhost" else f"docker.io/{name}"
