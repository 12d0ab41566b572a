"""Addresses of a cluster: pure choices, so that two clusters on one machine never share any.

Cluster number n (0-255) has the machines' network 10.213.n.0/24 and the pods' range 10.214.n.0/24, halved
between the two nodes. Everything but one virtual link to the host lives in the machines' own network
namespaces, so Service addresses may be the same in every cluster.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CONTROL_PLANE = "control-plane"
NODES = ("node-a", "node-b")
_HOST, _CONTROL_PLANE, _FIRST_NODE = 1, 2, 11
_COUNT = 256


@dataclass(frozen=True)
class NetworkPlan:
    """The addresses of cluster number `number`, and the name of the device that leads to it."""

    number: int
    device: str

    @property
    def network(self) -> str:
        """The machines' network."""
        return f"10.213.{self.number}.0/24"

    @property
    def pod_range(self) -> str:
        """All pods of the cluster."""
        return f"10.214.{self.number}.0/24"

    @property
    def host(self) -> str:
        """The host's address in the machines' network."""
        return self._address(_HOST)

    @property
    def control_plane(self) -> str:
        """The API server's address, for host, nodes and pods."""
        return self._address(_CONTROL_PLANE)

    def node(self, name: str) -> str:
        """A node's address.

        Raises:
            ValueError: there is no such node.
        """
        return self._address(_FIRST_NODE + _node_number(name))

    def pods_of(self, name: str) -> str:
        """The pods' range of one node.

        Raises:
            ValueError: there is no such node.
        """
        return f"10.214.{self.number}.{128 * _node_number(name)}/25"

    def _address(self, last: int) -> str:
        return f"10.213.{self.number}.{last}"


def _node_number(name: str) -> int:
    if name not in NODES:
        raise ValueError(f"no node {name!r}: the nodes are {' and '.join(NODES)}")
    return NODES.index(name)


def choose(identity: str, taken_numbers: Iterable[int], host_networks: Sequence[str]) -> NetworkPlan:
    """Chooses the addresses of a new cluster.

    Args:
        identity: six hex digits that stand for the cluster; the first try follows from them.
        taken_numbers: numbers of the other clusters on this machine.
        host_networks: networks that the host reaches already, as "10.0.0.0/8".

    Raises:
        RuntimeError: every number collides with something.
    """
    taken = set(taken_numbers)
    # The default route covers everything and collides with nothing.
    reached = [network for text in host_networks if (network := ipaddress.ip_network(text, strict=False)).prefixlen]
    first = int(identity, 16) % _COUNT
    for step in range(_COUNT):
        plan = NetworkPlan((first + step) % _COUNT, f"gh-{identity}")
        ours = (ipaddress.ip_network(plan.network), ipaddress.ip_network(plan.pod_range))
        free = not any(mine.version == there.version and mine.overlaps(there) for mine in ours for there in reached)
        if plan.number not in taken and free:
            return plan
    raise RuntimeError(
        "no free network for the cluster: the host has routes into all of 10.213.0.0/16 or 10.214.0.0/16. "
        "Remove one of them (ip route), or stop another cluster (gharial cluster down --name NAME)."
    )
