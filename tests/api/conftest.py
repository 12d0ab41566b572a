"""A real etcd and API server with our CustomResourceDefinitions."""

from collections.abc import Iterator

import pytest
from api_server import ROOT, Api, install_crds
from gharial_cluster.control_plane import ControlPlane
from gharial_cluster.paths import ClusterPaths


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with ControlPlane(ClusterPaths(tmp_path_factory.mktemp("api") / "plane")).running() as plane:
        api = Api(plane)
        install_crds(api, ROOT / "crds")
        yield api
        api.close()
