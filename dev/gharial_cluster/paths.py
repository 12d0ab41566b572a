"""Where the box keeps things: one cache folder, and in it one folder per cluster.

$GHARIAL_CACHE (default ~/.cache/gharial)
  bin/<component>-<version>/   programs, built or fetched once
  go/                          Go's own module and build caches
  images/                      image archives
  clusters/<name>/             everything that belongs to one cluster
  nodes/<name>/                the images of its nodes; stays when the cluster is down
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path


def cache_root() -> Path:
    """The cache folder, made when missing."""
    chosen = os.environ.get("GHARIAL_CACHE")
    root = Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "gharial"
    root.mkdir(parents=True, exist_ok=True)
    return root.resolve()


def default_name(checkout: Path) -> str:
    """A cluster's name from its checkout's path: readable, and different for every checkout."""
    path = checkout.resolve()
    words = re.sub(r"[^a-z0-9]+", "-", path.name.lower()).strip("-")[:20].strip("-") or "gharial"
    return f"{words}-{short_hash(str(path))}"


def short_hash(text: str) -> str:
    """Six hex digits that stand for `text`."""
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def valid_name(name: str) -> str:
    """`name` itself when it can name a cluster.

    Raises:
        ValueError: it would not do as a folder and a host name.
    """
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", name):
        raise ValueError(f"{name!r} cannot name a cluster: use at most 40 small letters, digits and inner hyphens")
    return name


def checkout_root() -> Path:
    """The checkout that this code runs from, or the working folder when it is installed without one."""
    for folder in Path(__file__).resolve().parents:
        if (folder / "pyproject.toml").exists():
            return folder
    return Path.cwd()


@dataclass(frozen=True)
class ClusterPaths:
    """The folder of one cluster."""

    root: Path

    @classmethod
    def of(cls, name: str) -> "ClusterPaths":
        """The folder of the cluster called `name`."""
        return cls(cache_root() / "clusters" / valid_name(name))

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.root / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "kubeconfig"

    @property
    def records(self) -> Path:
        """One file per process that this cluster started on the machine."""
        return self.root / "processes"

    @property
    def logs(self) -> Path:
        """Logs of processes that run on the machine itself."""
        return self.root / "logs"

    @property
    def etcd(self) -> Path:
        """The data of etcd."""
        return self.root / "etcd"

    def machine(self, name: str) -> Path:
        """The folder of one machine of the cluster: a node, or the control plane."""
        return self.root / "nodes" / name
