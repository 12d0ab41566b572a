"""A real API server for the folder's tests; each test has a node of its own in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from card_node import CardNode, install_crds
from gharial_agent.kube import Kube
from gharial_cluster.control_plane import ControlPlane
from gharial_cluster.paths import ClusterPaths

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(ClusterPaths(tmp_path_factory.mktemp("control-plane"))).running() as plane:
        install_crds(Kube(plane.kubeconfig), ROOT / "crds")
        yield plane


@pytest.fixture
def node(control_plane: ControlPlane, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[CardNode]:
    name = f"node-{abs(hash(request.node.name)) % 10**8}"
    node = CardNode(name, tmp_path, Kube(control_plane.kubeconfig), control_plane.kubeconfig)
    yield node
    node.clean_up()
