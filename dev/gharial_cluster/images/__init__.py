"""The project's images: built with docker or buildah, kept by the digest of their inputs, loaded into containerd.

image = build("operator", print)
load([image], ctr=["ctr", "--address", "…/containerd.sock"], progress=print)
"""

from gharial_cluster.images.build import BuiltImage, build
from gharial_cluster.images.loading import load
from gharial_cluster.images.targets import TARGETS

__all__ = ["TARGETS", "BuiltImage", "build", "load"]
