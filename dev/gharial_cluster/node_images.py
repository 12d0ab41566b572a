"""Images on the nodes: brought once, kept across the life of clusters of the same name."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gharial_cluster.files import write_atomically
from gharial_cluster.image_archive import ArchivedImage, inspect_archive
from gharial_cluster.machine import Machine

_RECORD = "gharial-images.json"  # beside containerd's own files
_CTR = ("ctr", "--namespace", "k8s.io", "images")


def load_image(nodes: Sequence[Machine], archive: Path) -> None:
    """Imports a docker archive on every node that lacks its image, all nodes at once.

    The packed layers are thrown away once they are unpacked: a node keeps an image once, not twice.

    Raises:
        RuntimeError: a node is off, or its containerd refuses the archive.
        ValueError: the archive is none.
    """
    image = inspect_archive(archive)
    missing = [node for node in nodes if not has_image(node, image)]
    with ThreadPoolExecutor(max_workers=max(1, len(missing))) as pool:
        for _ in pool.map(lambda node: _import(node, archive, image), missing):
            pass


def has_image(node: Machine, image: ArchivedImage) -> bool:
    """Whether the node has that very image under all its names."""
    known = _record(node)
    if any(known.get(reference) != image.digest for reference in image.references):
        return False
    return set(image.references) <= set(node.run([*_CTR, "list", "--quiet"]).split())


def _import(node: Machine, archive: Path, image: ArchivedImage) -> None:
    node.run([*_CTR, "import", "--local", "--discard-unpacked-layers", "-"], stdin=archive)
    known = _record(node) | dict.fromkeys(image.references, image.digest)
    write_atomically(_record_path(node), json.dumps(known, indent=1))


def _record(node: Machine) -> dict[str, str]:
    """Reference -> digest of what was imported."""
    try:
        content: dict[str, str] = json.loads(_record_path(node).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return content


def _record_path(node: Machine) -> Path:
    return Path(node.plan.containers, _RECORD)
