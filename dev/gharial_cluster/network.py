"""The virtual cables of a cluster: from each node to the switch, and one from the host.

The switch lives in the control plane's network namespace. All cables end in a machine's namespace on at
least one side, so they vanish with the machine and nothing is left to clean.
"""

import json
import subprocess
from pathlib import Path

from gharial_cluster.machine import Machine
from gharial_cluster.network_plan import NODES, NetworkPlan

_SWITCH = "switch"


def host_networks() -> list[str]:
    """Every network that the host has a route to, the default route included."""
    routes = json.loads(_run("ip", "-json", "-4", "route", "show", "table", "all") or "[]")
    found = []
    for route in routes:
        destination = str(route.get("dst", ""))
        if destination == "default":
            destination = "0.0.0.0/0"
        if destination and "type" not in route:
            found.append(destination)
    return found


def plug_in_host(plan: NetworkPlan, switch: Machine) -> None:
    """Joins the host to the switch and tells it the ways to the pods; harmless when done already."""
    if "host" not in _links(switch):
        unplug_host(plan)
        _plug(switch, "host", ["name", plan.device])
    _run("ip", "address", "replace", f"{plan.host}/24", "dev", plan.device)
    _run("ip", "link", "set", plan.device, "up")
    for node in NODES:
        _run("ip", "route", "replace", plan.pods_of(node), "via", plan.node(node), "dev", plan.device)


def unplug_host(plan: NetworkPlan) -> None:
    """Removes the host's end of the cable at once: the kernel takes its time after the last machine ended."""
    if Path("/sys/class/net", plan.device).exists():
        subprocess.run(["ip", "link", "delete", plan.device], capture_output=True, check=False)


def plug_in(node: Machine, switch: Machine) -> None:
    """Joins a node to the switch; harmless when done already."""
    name = node.plan.name
    if "eth0" not in _links(node):
        # The cable of the machine's former life may still hang in the switch: the kernel takes its time to remove it.
        inside = ["nsenter", "--target", str(_holder(switch)), "--net"]
        subprocess.run([*inside, "ip", "link", "delete", name], capture_output=True, check=False)
        _plug(switch, name, ["name", "eth0", "netns", str(_holder(node))])


def _plug(switch: Machine, port: str, far_end: list[str]) -> None:
    holder = _holder(switch)
    _run("ip", "link", "add", *far_end, "type", "veth", "peer", "name", port, "netns", str(holder))
    _run("nsenter", "--target", str(holder), "--net", "ip", "link", "set", port, "master", _SWITCH, "up")


def _holder(machine: Machine) -> int:
    power = machine.power
    if power is None:
        raise RuntimeError(f"{machine.plan.name} is off; `gharial cluster up` switches it on")
    return power.pid


def _links(machine: Machine) -> set[str]:
    found = json.loads(_run("nsenter", "--target", str(_holder(machine)), "--net", "ip", "-json", "link", "show"))
    return {str(link["ifname"]) for link in found}


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout
