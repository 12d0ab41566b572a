"""The project's images: built with docker or buildah, kept by the digest of their inputs, loaded into containerd.

    image = build("operator", print)
    load([image], ctr=["ctr", "--address", "…/containerd.sock"], progress=print)

`compose` makes further images out of ready binaries, without any builder.
"""

from gharial_cluster.images.build import BuiltImage, build
from gharial_cluster.images.compose import compose
from gharial_cluster.images.loading import load
from gharial_cluster.images.targets import TARGETS

__all__ = ["TARGETS", "BuiltImage", "build", "compose", "load"]
