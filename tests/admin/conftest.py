"""A real API server with a healthy installation, which each test spoils in its own way."""

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from api_server import ROOT, Api, install_crds
from gharial_cli.main import main
from gharial_cluster.control_plane import ControlPlane
from gharial_cluster.paths import ClusterPaths
from installation import install, uninstall


@dataclass(frozen=True)
class Said:
    """What a command said."""

    status: int
    out: str
    err: str

    def findings(self) -> dict[str, dict[str, Any]]:
        """By code; of several of one code the first."""
        found: dict[str, dict[str, Any]] = {}
        for each in json.loads(self.out)["findings"]:
            found.setdefault(each["code"], each)
        return found


def check(*words: str) -> Said:
    """Runs `gharial check` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["check", *words])
    return Said(status, out.getvalue(), err.getvalue())


Check = Callable[..., Said]


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(ClusterPaths(tmp_path_factory.mktemp("admin") / "plane")).running() as plane:
        yield plane


@pytest.fixture(scope="session")
def bare(plane: ControlPlane) -> dict[str, Said]:
    """What was said before anything was installed."""
    config = ("--kubeconfig", str(plane.kubeconfig))
    return {"check": check(*config), "json": check(*config, "--json"), "preflight": check(*config, "--preflight")}


@pytest.fixture(scope="session")
def api(plane: ControlPlane, bare: dict[str, Said]) -> Iterator[Api]:
    api = Api(plane)
    install_crds(api, ROOT / "crds")
    yield api
    api.close()


@pytest.fixture
def installed(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """Operator, agents, two nodes, one pool: all as it should be. KUBECONFIG leads there."""
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig))
    install(api)
    yield api
    uninstall(api)


@pytest.fixture
def run_check() -> Check:
    """Runs `gharial check` in this process."""
    return check


@pytest.fixture
def kubeconfig_folder(tmp_path: Path) -> Path:
    return tmp_path
