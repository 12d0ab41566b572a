"""Hands that kill at once: a state of a rollout may last for less than a kubectl takes."""

import subprocess
from types import TracebackType
from typing import Any

from gharial_cluster.demo.site import SYSTEM_NAMESPACE, Site, wait_until
from gharial_cluster.network_plan import NODES


class Hand:
    """A shell on a machine of the box that waits for the name of a signal, and sends it within milliseconds.

    whom: shell words that print process ids.
    """

    def __init__(self, site: Site, machine: str, whom: str) -> None:
        script = f"while read signal; do kill -$signal $({whom}); echo; done"
        command = site.cluster.machine(machine).enter_command(["sh", "-c", script])
        self._shell = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def send(self, signal: str) -> None:
        """Sends KILL, STOP or CONT; returns when it is sent."""
        assert self._shell.stdin is not None and self._shell.stdout is not None
        self._shell.stdin.write(f"{signal}\n")
        self._shell.stdin.flush()
        self._shell.stdout.readline()

    def close(self) -> None:
        """Lets the shell go."""
        self._shell.communicate(timeout=10)


class Killing:
    """Hands on every operator and every agent. Use it as a context."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.agents = {node: Hand(site, node, "pgrep -f 'gharial [a]gent'") for node in NODES}
        self._operators: dict[str, Hand] = {}

    def __enter__(self) -> "Killing":
        self._reach_operators()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hand in (*self.agents.values(), *self._operators.values()):
            hand.close()

    def leader(self) -> str:
        """The pod whose operator leads; one that is dead leads until its lease has run out."""
        lease = self._site.get("lease", "gharial-operator", SYSTEM_NAMESPACE) or {}
        return str(lease.get("spec", {}).get("holderIdentity") or "")

    def operator(self) -> str:
        """Kills the operator that leads; returns its name, or nothing when it was one that stood by."""
        name = next(iter(self._operators))
        hand = self._operators.pop(name)
        hand.send("KILL")
        hand.close()
        led = self.leader() == name
        self._forget(name)
        self._reach_operators()
        return name if led else ""

    def agent(self, node: str) -> None:
        """Kills a node's agent."""
        self.agents[node].send("KILL")
        for pod in self._pods("agent"):
            if pod["spec"]["nodeName"] == node:
                self._forget(pod["metadata"]["name"])

    def await_leader(self, but: str) -> None:
        """Waits until another operator leads."""
        wait_until(lambda: self.leader() not in {"", but}, 40, lambda: f"{but} still leads")

    def _reach_operators(self) -> None:
        """A hand on every operator that runs, the leader first."""
        running = {pod["metadata"]["name"]: pod for pod in self._pods("operator") if _container(pod)}
        leader = self.leader()
        # Who stood by longest leads next.
        for name in sorted(running, key=lambda name: (name != leader, running[name]["metadata"]["creationTimestamp"])):
            if name not in self._operators:
                node, container = running[name]["spec"]["nodeName"], _container(running[name])
                tasks = self._site.cluster.node_exec(node, ["ctr", "-n", "k8s.io", "task", "ls"]).splitlines()
                [pid] = [line.split()[1] for line in tasks if line.startswith(container)]
                self._operators[name] = Hand(self._site, node, f"echo {pid}")

    def _pods(self, component: str) -> list[dict[str, Any]]:
        found = self._site.objects("pods", SYSTEM_NAMESPACE, f"app.kubernetes.io/component={component}")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def _forget(self, pod: str) -> None:
        """Takes a dead pod away, so that the next one begins at once, not after the kubelet's pause."""
        self._site.cluster.kubectl("delete", "pod", pod, "-n", SYSTEM_NAMESPACE, "--grace-period=0", "--force")


def _container(pod: dict[str, Any]) -> str:
    """Id of the pod's container while it runs; empty otherwise."""
    for status in pod["status"].get("containerStatuses", []):
        if "running" in status["state"]:
            return str(status["containerID"].partition("://")[2])
    return ""
