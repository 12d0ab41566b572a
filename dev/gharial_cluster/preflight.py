"""What the machine must offer: packages are installed, everything else is said before anything starts."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from gharial_cluster.paths import cache_root
from gharial_cluster.progress import Progress

_GIB = 2**30
_DISK_TO_BUILD = 15 * _GIB  # sources and compiler caches, images twice
_DISK_TO_RUN = 5 * _GIB

# Debian package -> a file that it brings.
_PACKAGES = {
    "runc": ("/usr/sbin/runc", "/usr/bin/runc"),
    "containernetworking-plugins": ("/usr/lib/cni/bridge",),
    "nftables": ("/usr/sbin/nft",),
    "iptables": ("/usr/sbin/iptables",),
    "conntrack": ("/usr/sbin/conntrack",),
    "iproute2": ("/usr/sbin/ip", "/usr/bin/ip", "/sbin/ip"),
    "util-linux": ("/usr/bin/nsenter",),
    "mount": ("/usr/bin/mount",),
}

# What a machine of the cluster does with the kernel, tried once in namespaces of its own.
_FEATURES = {
    "virtual network devices (veth)": "ip link add name veth-a type veth peer name veth-b",
    "network bridges": "ip link add name bridge-a type bridge",
    "nftables": "nft add table inet trial",
    "address translation in nftables": (
        "nft add table ip t && nft 'add chain ip t c { type nat hook postrouting priority 100; }'"
    ),
    "overlay file systems": (
        "mount -t tmpfs t /mnt && mkdir /mnt/l /mnt/u /mnt/w /mnt/m && "
        "mount -t overlay o -o lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w /mnt/m"
    ),
}

# A node's containerd and kubelet do not start without; Linux allows one user 128, which two clusters use up.
_INOTIFY_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
_ENOUGH_INSTANCES = 1024


def check(progress: Progress, building: bool) -> None:
    """Looks whether a cluster can run here, and installs missing Debian packages.

    Args:
        progress: is told about packages.
        building: whether programs have to be built first, which takes more of the disk.

    Raises:
        RuntimeError: it cannot; the message names the remedy.
    """
    if sys.platform != "linux":
        raise RuntimeError("a cluster needs Linux; on another system run it in a virtual machine")
    if os.geteuid() != 0:
        raise RuntimeError("a cluster needs root, for namespaces and mounts; run the same command with sudo")
    if platform.machine() not in ("x86_64", "aarch64"):
        raise RuntimeError(f"a cluster needs an x86-64 or arm64 processor, not {platform.machine()}")
    root = cache_root()
    check_disk(shutil.disk_usage(root).free, _DISK_TO_BUILD if building else _DISK_TO_RUN, root)
    install_packages(missing_packages(), progress)
    allow_watches(progress)
    missing = [name for name, trial in _FEATURES.items() if not _works(trial)]
    if missing:
        raise RuntimeError(
            f"this kernel does not offer: {', '.join(missing)}. Load its modules (modprobe overlay veth bridge "
            "nf_tables nft_nat), or run the cluster on a machine or in a container with full privileges."
        )


def check_disk(free: int, needed: int, folder: Path) -> None:
    """Compares bytes.

    Raises:
        RuntimeError: too few are free.
    """
    if free < needed:
        raise RuntimeError(
            f"only {free / _GIB:.1f} GiB are free in {folder}, and the cluster needs {needed // _GIB}: "
            "free some, or set GHARIAL_CACHE to a folder on a larger disk"
        )


def allow_watches(progress: Progress) -> None:
    """Lets programs watch as many files as several clusters do.

    Raises:
        RuntimeError: the limit is too low and cannot be raised from here.
    """
    if int(_INOTIFY_INSTANCES.read_text()) >= _ENOUGH_INSTANCES:
        return
    try:
        _INOTIFY_INSTANCES.write_text(f"{_ENOUGH_INSTANCES}\n")
    except OSError as error:
        raise RuntimeError(
            f"fs.inotify.max_user_instances is too low and cannot be set from here ({error.strerror}); "
            f"on the host: sysctl fs.inotify.max_user_instances={_ENOUGH_INSTANCES}"
        ) from error
    progress.note(f"fs.inotify.max_user_instances is {_ENOUGH_INSTANCES} from now on: nodes watch many files")


def missing_packages() -> list[str]:
    """The Debian packages whose files are not there."""
    return [name for name, files in _PACKAGES.items() if not any(Path(file).exists() for file in files)]


def install_packages(names: list[str], progress: Progress) -> None:
    """Installs Debian packages.

    Raises:
        RuntimeError: there is no apt-get, or it failed.
    """
    if not names:
        return
    if shutil.which("apt-get") is None:
        raise RuntimeError(f"missing programs, by the names of their Debian packages: {', '.join(names)}; install them")
    progress.note(f"apt-get install {' '.join(names)}")
    environment = dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--no-install-recommends", "--quiet", *names]
    done = subprocess.run(install, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        subprocess.run(["apt-get", "update", "--quiet"], env=environment, capture_output=True, check=False)
        done = subprocess.run(install, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"apt-get install {' '.join(names)} failed: {done.stderr.strip()[-1000:]}")


def _works(trial: str) -> bool:
    """Whether a shell line succeeds in mount and network namespaces that vanish with it."""
    command = ["unshare", "--mount", "--net", "--propagation=private", "sh", "-c", trial]
    environment = dict(os.environ) | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
