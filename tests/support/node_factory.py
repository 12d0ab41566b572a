"""Makes nodes for the agent's tests."""

from pathlib import Path

from agent_identity import write_kubeconfig
from card_node import CardNode
from gharial_cluster.control_plane import ControlPlane
from gharial_kube.client import Kube


def make_node(plane: ControlPlane, name: str, folder: Path) -> CardNode:
    """A node whose agent will have the chart's rights and no more."""
    kube, kubeconfig = Kube(plane.kubeconfig), folder / "agent.kubeconfig"
    write_kubeconfig(kube, plane.kubeconfig, name, kubeconfig)
    return CardNode(name, folder, kube, kubeconfig)
