"""What containerd keeps of a cluster's nodes: gigabytes that stay in the cache when the cluster is down.

Images need not be loaded again then. They go when the checkout they belong to is gone.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from gharial_cluster.binaries.recipes import CONTAINERD_VERSION
from gharial_cluster.files import write_atomically
from gharial_cluster.paths import cache_root, checkout_root

OWNER_FILE = "checkout"


def image_store(cluster: str) -> Path:
    """The folder for the nodes of one cluster; another containerd has another."""
    return cache_root() / "nodes" / cluster / f"containerd-{CONTAINERD_VERSION}"


def claim(cluster: str) -> None:
    """Notes that the store of a cluster belongs to this checkout."""
    folder = image_store(cluster).parent
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / OWNER_FILE, str(checkout_root()))


def abandoned() -> Iterator[Path]:
    """Stores whose checkout is gone, of clusters that are down; and those of other versions of containerd."""
    for folder in (cache_root() / "nodes").glob("*"):
        if (cache_root() / "clusters" / folder.name).exists():
            continue
        owner = folder / OWNER_FILE
        if not owner.is_file() or not Path(owner.read_text()).is_dir():
            yield folder
        else:
            yield from (old for old in folder.glob("containerd-*") if old != image_store(folder.name))


def prune() -> Iterator[str]:
    """Removes what is abandoned. Yields the name of the cluster it belonged to before each: it can take minutes."""
    for folder in list(abandoned()):
        yield folder.name if folder.parent.name == "nodes" else folder.parent.name
        shutil.rmtree(folder, ignore_errors=True)
