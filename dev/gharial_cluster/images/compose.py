"""Images of ready binaries, written without a builder: one layer of files, on the base image or on nothing."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from gharial_cluster.images import base, buildah
from gharial_cluster.images.build import BuiltImage
from gharial_cluster.images.layout import CONFIG, LAYER, MANIFEST, Descriptor, Layout, Progress, locked
from gharial_cluster.images.targets import BASE

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def compose(
    ref: str,
    files: Mapping[str, Path],
    entrypoint: Sequence[str],
    progress: Progress,
    on_base: bool = True,
    user: str = "65532:65532",
) -> BuiltImage:
    """An image with `files` (path in the image -> file here, executable), made only when they changed.

    `ref` is a full name such as docker.io/gharial/envoy:dev. With `on_base` the files lie on the project's base image
    (glibc, Python, a shell); without it, on nothing, as statically linked programs can.

    Raises RuntimeError when the base image is needed and cannot be made, OSError when a file cannot be read.
    """
    layout, name = Layout.default(), ref.rpartition("/")[2].partition(":")[0]
    inputs = _digest(files, [ref, *entrypoint, str(on_base), user])
    manifest = layout.find(name, inputs)
    if manifest is None:
        with locked(layout.root.parent, progress):
            layout.prepare()
            progress(f"images: composing {name}")
            below = _base(layout, progress) if on_base else None
            manifest = _write(layout, files, entrypoint, user, below)
            layout.record(name, inputs, manifest)
    return BuiltImage(ref, f"{ref.rpartition(':')[0]}:{inputs[:16]}", manifest, layout)


def _digest(files: Mapping[str, Path], words: Sequence[str]) -> str:
    digest = hashlib.sha256(repr(words).encode())
    for destination, source in sorted(files.items()):
        with source.open("rb") as file:
            digest.update(f"{destination}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\0".encode())
    return digest.hexdigest()


def _base(layout: Layout, progress: Progress) -> Descriptor:
    """The base image in the layout."""
    known = layout.find("base", "0" * 16)
    if known is None:
        tool = buildah.Buildah(layout.root.parent)
        tool.prepare()
        base.ensure(tool, BASE, progress)
        known = tool.export(BASE, layout)
        layout.record("base", "0" * 16, known)
    return known


def _write(
    layout: Layout, files: Mapping[str, Path], entrypoint: Sequence[str], user: str, below: Descriptor | None
) -> Descriptor:
    layers, diff_ids, environment = [], [], ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    if below is not None:
        document = json.loads(layout.blob(below.digest).read_bytes())
        layers = document["layers"]
        lower = json.loads(layout.blob(document["config"]["digest"]).read_bytes())
        diff_ids = lower["rootfs"]["diff_ids"]
        environment = lower["config"].get("Env") or environment
    layer = layout.add(_layer(files), LAYER)
    config = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": list(entrypoint), "User": user, "Env": environment},
        "rootfs": {"type": "layers", "diff_ids": [*diff_ids, layer.digest]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": vars(layout.add(json.dumps(config).encode(), CONFIG)),
        "layers": [*layers, vars(layer)],
    }
    return layout.add(json.dumps(manifest).encode(), MANIFEST)


def _layer(files: Mapping[str, Path]) -> bytes:
    """One uncompressed layer, the same bytes for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for destination, source in sorted(files.items()):
            entry = tarfile.TarInfo(destination.lstrip("/"))
            entry.size, entry.mode = source.stat().st_size, 0o755
            with source.open("rb") as file:
                tar.addfile(entry, file)
    return buffer.getvalue()
