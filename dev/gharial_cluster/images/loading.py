"""Brings images from the layout into a containerd. Only what it lacks travels."""

import io
import json
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import asdict
from typing import IO

from gharial_cluster.images.build import BuiltImage
from gharial_cluster.images.layout import Progress

# The namespace whose images the kubelet sees.
NAMESPACE = "k8s.io"


def load(images: Sequence[BuiltImage], ctr: Sequence[str], progress: Progress) -> None:
    """Loads images into the containerd that `ctr` talks to, for example ["ctr", "--address", SOCKET].

    An image that is there already costs one listing; after a change of code only its last layers are sent.

    Raises RuntimeError with what ctr said.
    """
    command = [*ctr, "--namespace", NAMESPACE]
    present = _lines([*command, "images", "list"])
    images = [image for image in images if not any(_named(line, image) for line in present)]
    if not images:
        return
    held = set(_lines([*command, "content", "list", "--quiet"]))
    for image in images:
        missing = [each for each in image.layout.contents(image.manifest) if each.digest not in held]
        megabytes = sum(each.size for each in missing) / 1e6
        progress(f"images: loading {image.ref} ({megabytes:.0f} of {image.size / 1e6:.0f} MB)")
        _import([*command, "images", "import", "-"], image, held)
        held.update(each.digest for each in missing)


def _named(line: str, image: BuiltImage) -> bool:
    """Whether a line of `ctr images list` (name, media type, digest, ...) is this image under its pinned name."""
    words = line.split()
    return len(words) > 2 and words[0] == image.pinned and words[2] == image.digest


def _lines(command: list[str]) -> list[str]:
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode:
        raise RuntimeError(f"containerd does not answer: {outcome.stderr.strip()[-500:]}")
    return outcome.stdout.splitlines()


def _import(command: list[str], image: BuiltImage, held: set[str]) -> None:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            write_archive(process.stdin, image, held)
            process.stdin.close()
        except BrokenPipeError:
            pass  # ctr gave up: its output says why.
        output = process.stdout.read().decode(errors="replace")
    if process.returncode:
        raise RuntimeError(f"containerd did not take {image.ref}: {output.strip()[-800:]}")


def write_archive(stream: IO[bytes], image: BuiltImage, held: set[str]) -> None:
    """Writes an image as an OCI archive without the blobs in `held`, under both of its names."""
    with tarfile.open(fileobj=stream, mode="w|", bufsize=1 << 20) as tar:
        index = {
            "schemaVersion": 2,
            "manifests": [
                {**asdict(image.manifest), "annotations": {"io.containerd.image.name": name}}
                for name in (image.ref, image.pinned)
            ],
        }
        _add(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        _add(tar, "index.json", json.dumps(index).encode())
        for each in image.layout.contents(image.manifest):
            if each.digest not in held:
                entry = tarfile.TarInfo(f"blobs/sha256/{each.digest.removeprefix('sha256:')}")
                entry.size = each.size
                with image.layout.blob(each.digest).open("rb") as blob:
                    tar.addfile(entry, blob)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))
