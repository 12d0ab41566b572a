"""What one machine of the cluster is made of: plain data, handed from the host to the machine's init as JSON."""

import json
from dataclasses import asdict, dataclass, field

from gharial_cluster.services import Service

# Inside a machine everything of the box lies here, wherever the cache is on the host.
BOX = "/run/box"
BOX_BIN = f"{BOX}/bin"
BOX_PKI = f"{BOX}/pki"
BOX_MACHINE = f"{BOX}/machine"


@dataclass(frozen=True)
class Route:
    """One route of the machine: `destination` by way of the node at `gateway`."""

    destination: str
    gateway: str


@dataclass(frozen=True)
class MachinePlan:
    """A machine: a set of namespaces with an init that keeps its services running.

    Attributes:
        name: its host name.
        address: its address on the cluster's network, with the prefix length.
        bin: the host's folder of programs, seen inside as `BOX_BIN`.
        folder: the machine's own folder on the host, seen inside as `BOX_MACHINE`.
        pki: the certificates on the host, seen inside as `BOX_PKI`.
        containers: the host folder that becomes /var/lib/containerd; empty for a machine without containers.
        cgroup: its place in every cgroup hierarchy.
        bridge: whether this machine holds the switch that joins all of them.
    """

    name: str
    address: str
    bin: str
    folder: str
    pki: str
    cgroup: str
    containers: str = ""
    bridge: bool = False
    routes: tuple[Route, ...] = ()
    path: tuple[str, ...] = ()  # folders of programs, before the system's own
    services: tuple[Service, ...] = field(default=())

    def to_json(self) -> str:
        """The form in which init reads it."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "MachinePlan":
        """The plan that `to_json` wrote."""
        fields = json.loads(text)
        fields["routes"] = tuple(Route(**route) for route in fields["routes"])
        fields["path"] = tuple(fields["path"])
        fields["services"] = tuple(Service(s["name"], tuple(s["argv"]), tuple(s["after"])) for s in fields["services"])
        return cls(**fields)
