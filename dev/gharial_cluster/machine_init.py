"""The first process of a machine: makes its file system and network, then keeps its services running.

Started on the host as `unshare … python -m gharial_cluster.machine_init PLAN.json`; everything it needs
is imported before the file system changes around it.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from gharial_cluster import cgroups, machine_mounts
from gharial_cluster.machine_plan import BOX_MACHINE, MachinePlan
from gharial_cluster.services import Service

_SHORTEST_PAUSE = 0.5  # seconds before a service that ended starts again; doubles up to the longest
_LONGEST_PAUSE = 10.0
_STEADY_SECONDS = 30.0  # a service that ran this long starts its pauses anew
_TICK = 0.05
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PR_SET_NAME = 15


class Supervised:
    """One service and what became of it."""

    def __init__(self, service: Service, environment: dict[str, str]) -> None:
        """Nothing is started yet."""
        self.service = service
        self.environment = environment
        self.pid: int | None = None
        self.started = 0.0
        self.pause = _SHORTEST_PAUSE
        self.not_before = 0.0

    def tend(self) -> None:
        """Starts the service when it does not run, may run again, and what it waits for is there."""
        now = time.monotonic()
        if self.pid is None and now >= self.not_before and all(Path(p).exists() for p in self.service.after):
            with Path("/var/log", f"{self.service.name}.log").open("ab") as log:
                child = subprocess.Popen(
                    self.service.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self.environment,
                    start_new_session=True,
                )
            child.returncode = 0  # this process reaps every child by itself
            self.pid, self.started = child.pid, now

    def ended(self) -> None:
        """Notes that the process is gone and when the next may start."""
        now = time.monotonic()
        if now - self.started > _STEADY_SECONDS:
            self.pause = _SHORTEST_PAUSE
        self.pid, self.not_before = None, now + self.pause
        self.pause = min(2 * self.pause, _LONGEST_PAUSE)


def main(plan_file: str) -> None:
    """Never returns while the machine is on."""
    plan = MachinePlan.from_json(Path(plan_file).read_text())
    ctypes.CDLL(None).prctl(_PR_SET_NAME, f"box-{plan.name}".encode()[:15], 0, 0, 0)
    socket.sethostname(plan.name)
    os.umask(0o022)
    machine_mounts.build(plan)
    cgroups.enter(f"{plan.cgroup}/system")
    join_network(plan)
    Path(BOX_MACHINE, "booted").write_text("")
    environment = {"PATH": ":".join((*plan.path, _SYSTEM_PATH)), "HOME": "/root", "LANG": "C.UTF-8"}
    supervise([Supervised(service, environment) for service in plan.services])


def join_network(plan: MachinePlan) -> None:
    """Brings up the machine's interfaces; waits for the one that the host plugs in.

    The hardware address follows from the machine's own. Left to the kernel, a switch takes the lowest address of
    its ports and a new cable a random one: each power cycle would change it, and the neighbours would send into
    the void until their caches expire, half a minute later.
    """
    _ip("link", "set", "lo", "up")
    device = "eth0"
    if plan.bridge:
        device = "switch"
        _ip("link", "add", device, "type", "bridge")
    while not Path("/sys/class/net", device).exists():
        time.sleep(_TICK)
    _ip("link", "set", device, "address", hardware_address(plan.address))
    _ip("address", "add", plan.address, "dev", device)
    _ip("link", "set", device, "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    for route in plan.routes:
        _ip("route", "replace", route.destination, "via", route.gateway)


def hardware_address(address: str) -> str:
    """A locally administered Ethernet address made of the machine's IPv4 address, with or without its "/24"."""
    return "02:00:" + ":".join(f"{int(part):02x}" for part in address.partition("/")[0].split("."))


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def supervise(services: list[Supervised]) -> None:
    """Keeps the services running and takes the exit status of every orphan, until SIGTERM."""
    stopping = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    while not stopping:
        for one in services:
            one.tend()
        for pid in _reap():
            for one in services:
                if one.pid == pid:
                    one.ended()
        time.sleep(_TICK)


def _reap() -> list[int]:
    """The children that ended."""
    found: list[int] = []
    while True:
        try:
            pid, _status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        found.append(pid)


if __name__ == "__main__":
    main(sys.argv[1])
