"""A real etcd and API server; the operator runs as a process under its own ServiceAccount.

Nothing is faked but what only a kubelet, an agent or a gateway would write: tests write those statuses themselves.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_server import ROOT, Api, install_crds
from gharial_cluster.control_plane import ControlPlane
from gharial_cluster.paths import ClusterPaths
from operator_process import Operator, operator_kubeconfig


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with ControlPlane(ClusterPaths(tmp_path_factory.mktemp("operator") / "plane")).running() as plane:
        api = Api(plane)
        install_crds(api, ROOT / "crds", Path(__file__).parent / "crds")
        yield api
        api.close()


@pytest.fixture(scope="session")
def kubeconfig(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return operator_kubeconfig(api, tmp_path_factory.mktemp("account"))


@pytest.fixture(scope="module")
def operator(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator that runs for all tests of a module and was refused nothing when it ends."""
    log = tmp_path_factory.mktemp("operator") / "log"
    process = Operator(kubeconfig, log).start().ready()
    yield process
    process.stop()
    text = log.read_text()
    assert "orbidden" not in text and "Traceback" not in text, text[-4000:]
