"""What the machine must offer, said before anything starts."""

import os
import shutil
import sys

from gharial_cluster.paths import cache_root

_SMALLEST_DISK = 10 * 2**30


def check() -> None:
    """Looks whether a cluster can run here.

    Raises:
        RuntimeError: it cannot; the message names the remedy.
    """
    if sys.platform != "linux":
        raise RuntimeError("a cluster needs Linux; on another system run it in a virtual machine")
    if os.geteuid() != 0:
        raise RuntimeError("a cluster needs root, for namespaces and mounts; run it with sudo")
    root = cache_root()
    free = shutil.disk_usage(root).free
    if free < _SMALLEST_DISK:
        raise RuntimeError(
            f"only {free / 2**30:.1f} GiB are free in {root}, and a cluster needs {_SMALLEST_DISK // 2**30}; "
            "free some, or set GHARIAL_CACHE to a folder on a larger disk"
        )
