"""etcd and an API server alone."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gharial_cluster import processes
from gharial_cluster.control_plane import ControlPlane
from gharial_cluster.paths import ClusterPaths


@pytest.fixture
def control_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    plane = ControlPlane(ClusterPaths(tmp_path / "cluster"))
    yield plane
    plane.down()


def records(plane: ControlPlane) -> list[processes.Record]:
    found = [processes.read_record(path) for path in sorted(plane.paths.records.glob("*.json"))]
    return [record for record in found if record is not None]


def test_a_control_plane_is_ready_within_seconds_and_serves_dynamic_resource_allocation(
    control_plane: ControlPlane,
) -> None:
    started = time.monotonic()
    control_plane.up()
    assert time.monotonic() - started < 60
    assert json.loads(control_plane.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"] == "v1.36.3"
    assert "resourceclaims" in control_plane.kubectl("api-resources", "--api-group=resource.k8s.io")


def test_two_control_planes_do_not_see_each_other(control_plane: ControlPlane, tmp_path: Path) -> None:
    with ControlPlane(ClusterPaths(tmp_path / "other")).running() as other:
        control_plane.up()
        control_plane.kubectl("create", "namespace", "mine")
        assert "mine" not in other.kubectl("get", "namespaces")


def test_up_starts_again_only_what_died_and_keeps_the_objects(control_plane: ControlPlane) -> None:
    control_plane.up()
    control_plane.kubectl("create", "namespace", "kept")
    server, etcd = records(control_plane)[1], records(control_plane)[0]
    os.kill(server.pid, signal.SIGKILL)
    while server.alive():
        time.sleep(0.01)
    control_plane.up()
    assert "kept" in control_plane.kubectl("get", "namespaces")
    assert records(control_plane)[0] == etcd
    assert records(control_plane)[1] != server


def test_down_leaves_no_process_and_no_file(control_plane: ControlPlane) -> None:
    control_plane.up()
    started = records(control_plane)
    assert len(started) == 2
    control_plane.down()
    assert not any(record.alive() for record in started)
    assert not control_plane.paths.root.exists()
