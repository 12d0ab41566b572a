"""`gharial cluster up|down|status|kubectl|power-off|power-on|reboot`."""

import argparse
import json
import os

from gharial_cluster.binaries.store import Binaries
from gharial_cluster.cluster import Cluster, running_machines
from gharial_cluster.network_plan import NODES
from gharial_cluster.progress import Progress

_SWITCHES = {
    "power-off": (Cluster.power_off, "is off"),
    "power-on": (Cluster.power_on, "is on"),
    "reboot": (Cluster.restart_node, "has been restarted"),
}
_NOT_UP = 3  # exit status of `status` when not everything runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the actions and their options."""
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, summary in {
        "up": "start the cluster, or what is missing of it",
        "down": "stop the cluster and remove everything but the cache",
        "status": "show what runs",
        "kubectl": "run kubectl against the cluster",
        "power-off": "take a node's power away",
        "power-on": "give a node its power back",
        "reboot": "restart a node while its power stays on",
    }.items():
        action = actions.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        action.add_argument("--name", help="the cluster's name (default: from the checkout's path)")
        if name == "status":
            action.add_argument("--json", action="store_true", help="for machines")
        if name in _SWITCHES:
            action.add_argument("node", choices=NODES, help="the node")
        if name == "kubectl":
            action.add_argument("words", nargs=argparse.REMAINDER, help="what kubectl is to do")


def run(arguments: argparse.Namespace) -> int:
    """Does the action."""
    cluster = Cluster.named(arguments.name) if arguments.name else Cluster.for_checkout()
    if arguments.action == "up":
        cluster.up(Progress())
        print(f"The cluster {cluster.name} is up.\n  export KUBECONFIG={cluster.kubeconfig}")
    elif arguments.action == "down":
        cluster.down()
        print(f"The cluster {cluster.name} is down.")
    elif arguments.action in _SWITCHES:
        run_switch(cluster, arguments.action, arguments.node)
    elif arguments.action == "kubectl":
        run_kubectl(cluster, arguments.words)
    else:
        return show_status(cluster, arguments.json)
    return 0


def require_up(cluster: Cluster) -> None:
    """Raises RuntimeError when the cluster is down."""
    if not cluster.kubeconfig.exists():
        raise RuntimeError(f"the cluster {cluster.name} is down; start it with `gharial cluster up` or `make demo`")


def run_switch(cluster: Cluster, action: str, node: str) -> None:
    """Does something to a node's power. Raises RuntimeError when the cluster is down."""
    require_up(cluster)
    change, done = _SWITCHES[action]
    change(cluster, node)
    print(f"{node} {done}.")


def run_kubectl(cluster: Cluster, words: list[str]) -> None:
    """Becomes kubectl. Raises RuntimeError when the cluster is down."""
    require_up(cluster)
    program = str(Binaries.default().ensure("kubectl")["kubectl"])
    # What comes before kubectl's own words is ours: some versions of argparse leave the -- in.
    words = words[1:] if words[:1] == ["--"] else words
    os.execv(program, [program, f"--kubeconfig={cluster.kubeconfig}", *words])


def show_status(cluster: Cluster, as_json: bool) -> int:
    """Prints what runs; exit status 0 when all machines are on, 3 when none or some."""
    machines = running_machines(cluster) if cluster.paths.root.exists() else {}
    on = bool(machines) and all(machines.values())
    if as_json:
        states = {name: record is not None for name, record in machines.items()}
        print(json.dumps({"name": cluster.name, "up": on, "machines": states, "kubeconfig": str(cluster.kubeconfig)}))
        return 0 if on else _NOT_UP
    print(f"cluster {cluster.name}: {'up' if on else 'down' if not any(machines.values()) else 'partly up'}")
    for name, record in machines.items():
        print(f"  {name:<14} {f'on, process {record.pid}' if record else 'off'}")
    if on:
        print(cluster.kubectl("get", "nodes,pods", "--all-namespaces", "--output=wide"), end="")
    elif any(machines.values()):
        print("`gharial cluster up` starts what is missing")
    return 0 if on else _NOT_UP
