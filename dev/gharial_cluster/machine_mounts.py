"""The file system of a machine, as its init makes it in a mount namespace of its own.

The programs and libraries are the host's; what a machine writes is its own. /var, /run and the changes
to /etc lie in the machine's folder, so the standard paths hold inside (/var/lib/kubelet,
/run/containerd, /etc/cni/net.d …) and the host keeps nothing when the namespace goes.
"""

import ctypes
import os
import uuid
from pathlib import Path

from gharial_cluster.machine_plan import BOX, BOX_BIN, BOX_MACHINE, BOX_PKI, MachinePlan

# From linux/mount.h.
_BIND = 0x1000
_MOVE = 0x2000
_RECURSIVE = 0x4000
_SHARED = 0x100000
_READ_ONLY = 0x1
_REMOUNT = 0x20
_DETACH = 0x2

# The kubelet sets these for a machine that is all its own; the host keeps its values.
_SHIELDED_SETTINGS = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
                      "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes")  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2).

    Raises:
        OSError: as the kernel says, with what was to be mounted where.
    """
    done = _libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, options.encode() or None)
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot mount {source or kind} on {target} ({os.strerror(number)})")


def build(plan: MachinePlan) -> None:
    """Makes the machine's file system around the calling process.

    The sources are opened before anything is hidden: they may lie below /var or /run of the host.
    """
    sources = {
        BOX_BIN: plan.bin,
        BOX_MACHINE: plan.folder,
        BOX_PKI: plan.pki,
        "/run/gharial": f"{plan.folder}/hardware",
        "/var": f"{plan.folder}/var",
    }
    if plan.containers:
        sources["/var/lib/containerd"] = plan.containers
    for folder in sources.values():
        Path(folder).mkdir(parents=True, exist_ok=True)
    handles = {target: os.open(source, os.O_PATH) for target, source in sources.items()}
    _let_go_of_containers()
    mount("tmpfs", "/run", "tmpfs", options="mode=755")
    mount("proc", "/proc", "proc")
    _own_sys()
    _lay_out_var(handles["/var"])
    for target, handle in handles.items():
        Path(target).mkdir(parents=True, exist_ok=True)
        mount(f"/proc/self/fd/{handle}", target, flags=_BIND)
        os.close(handle)
    mount("", BOX_BIN, flags=_BIND | _REMOUNT | _READ_ONLY)
    _own_etc(plan)
    _shield_settings()
    _own_boot_id()
    mount("", "/", flags=_SHARED | _RECURSIVE)


def _let_go_of_containers() -> None:
    """Detaches what other programs of the host have mounted for containers, or they could not free its storage."""
    points = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for fields in reversed(points):
        target, kind = fields[4], fields[fields.index("-") + 1]
        if kind in ("overlay", "nsfs") and target != "/":
            _libc.umount2(target.encode().decode("unicode_escape").encode("latin-1"), _DETACH)


def _own_sys() -> None:
    """A sysfs that shows the machine's network devices, with the cgroup hierarchies in their place."""
    stash = f"{BOX}/cgroup"
    Path(stash).mkdir(parents=True)
    mount("/sys/fs/cgroup", stash, flags=_BIND | _RECURSIVE)
    mount("sysfs", "/sys", "sysfs")
    mount(stash, "/sys/fs/cgroup", flags=_MOVE)


def _lay_out_var(handle: int) -> None:
    """The folders that programs expect in /var."""
    root = f"/proc/self/fd/{handle}"
    for folder in ("lib", "log", "cache", "tmp"):
        Path(root, folder).mkdir(exist_ok=True)
    run = Path(root, "run")
    if not run.is_symlink():
        run.symlink_to("/run")


def _own_etc(plan: MachinePlan) -> None:
    """The host's /etc below, the machine's changes above."""
    upper, work = Path(BOX_MACHINE, "etc/upper"), Path(BOX_MACHINE, "etc/work")
    upper.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    mount("overlay", "/etc", "overlay", options=f"lowerdir=/etc,upperdir={upper},workdir={work}")
    Path("/etc/hostname").write_text(f"{plan.name}\n")
    Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n::1 localhost\n{plan.address.partition('/')[0]} {plan.name}\n")
    # Nothing outside the cluster answers names for it.
    Path("/etc/resolv.conf").unlink(missing_ok=True)
    Path("/etc/resolv.conf").write_text("nameserver 127.0.0.1\n")


def _shield_settings() -> None:
    for setting in _SHIELDED_SETTINGS:
        real = Path("/proc/sys", setting)
        if real.exists():
            copy = Path(BOX, "settings", setting)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(real.read_text())
            mount(str(copy), str(real), flags=_BIND)


def _own_boot_id() -> None:
    """This start of the machine gets a boot id of its own, which the kubelet reports; the kernel has one for all."""
    own = Path(BOX, "boot_id")
    own.write_text(f"{uuid.uuid4()}\n")
    mount(str(own), "/proc/sys/kernel/random/boot_id", flags=_BIND)
