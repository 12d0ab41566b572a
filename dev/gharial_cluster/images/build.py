"""Builds an image, or finds that it is there already."""

import os
from dataclasses import dataclass
from pathlib import Path

from gharial_cluster.images import buildah, docker
from gharial_cluster.images.layout import Descriptor, Layout, Progress, locked
from gharial_cluster.images.targets import BASE, TARGETS, input_digest
from gharial_cluster.paths import checkout_root

TORCH_INDEX = "GHARIAL_TORCH_INDEX"


@dataclass(frozen=True)
class BuiltImage:
    """An image in the layout.

    `ref` is its full name (docker.io/gharial/operator:dev); `pinned` is a second name that changes with its inputs, so
    that a Deployment which names it is rolled when the code changed.
    """

    ref: str
    pinned: str
    manifest: Descriptor
    layout: Layout

    @property
    def digest(self) -> str:
        """The digest of its manifest, "sha256:HEX"."""
        return self.manifest.digest

    @property
    def size(self) -> int:
        """Bytes of all its blobs."""
        return sum(each.size for each in self.layout.contents(self.manifest))


def build(name: str, progress: Progress, checkout: Path | None = None) -> BuiltImage:
    """The image of one target of the Dockerfile, built only when its inputs changed.

    The environment variable GHARIAL_TORCH_INDEX names an index of CPU wheels for torch, where one is in reach.

    Raises:
        ValueError: there is no such target.
        FileNotFoundError: the checkout is incomplete.
        RuntimeError: there is no builder, or the build failed; the message has the end of its output.
    """
    if name not in TARGETS:
        raise ValueError(f"no image {name!r}; there are: {', '.join(TARGETS)}")
    target, source, layout = TARGETS[name], checkout or checkout_root(), Layout.default()
    arguments = {"BASE": BASE, "TORCH_INDEX": os.environ.get(TORCH_INDEX, ""), "VARIANT": target.variant}
    inputs = input_digest(source, target, arguments)
    manifest = layout.find(name, inputs)
    if manifest is None:
        with locked(layout.root.parent, progress):
            layout.prepare()
            manifest = layout.find(name, inputs)
            if manifest is None:
                progress(f"images: building {name}")
                builder = docker if buildah.missing() and docker.usable() else buildah
                manifest = builder.build(layout, source, target, arguments, progress)
                layout.record(name, inputs, manifest)
    repository = target.ref.rpartition(":")[0]
    return BuiltImage(target.ref, f"{repository}:{inputs[:16]}", manifest, layout)
