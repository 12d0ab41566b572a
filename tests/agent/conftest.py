"""A real API server for the folder's tests; each test has a node of its own, whose agent has the chart's rights."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from achronix_node import AchronixNode
from agent_identity import install_rights, write_kubeconfig
from card_node import CardNode, install_crds
from gharial_cluster.control_plane import ControlPlane
from gharial_cluster.paths import ClusterPaths
from gharial_kube.client import Kube
from node_factory import make_node

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(ClusterPaths(tmp_path_factory.mktemp("control-plane"))).running() as plane:
        install_crds(Kube(plane.kubeconfig), ROOT / "crds")
        install_rights(Kube(plane.kubeconfig))
        yield plane


@pytest.fixture
def node(control_plane: ControlPlane, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[CardNode]:
    node = make_node(control_plane, f"node-{zlib.crc32(request.node.name.encode())}", tmp_path)
    yield node
    node.clean_up()


@pytest.fixture
def achronix_node(
    control_plane: ControlPlane, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[AchronixNode]:
    name, kube = f"node-{zlib.crc32(request.node.name.encode())}", Kube(control_plane.kubeconfig)
    write_kubeconfig(kube, control_plane.kubeconfig, name, tmp_path / "agent.kubeconfig")
    node = AchronixNode(name, tmp_path, kube, tmp_path / "agent.kubeconfig")
    yield node
    node.clean_up()
