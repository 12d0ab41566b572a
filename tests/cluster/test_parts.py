"""Archives, progress and process records."""

import hashlib
import io
import json
import os
import sys
import tarfile
from pathlib import Path

import pytest
from gharial_cluster import image_stores, processes
from gharial_cluster.binaries.recipes import PROGRAMS, GoPackage
from gharial_cluster.image_archive import ImageRecipe, full_reference, inspect_archive, write_archive
from gharial_cluster.progress import Progress


def test_an_image_archive_holds_its_files_and_the_same_recipe_gives_the_same_bytes(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    recipe = ImageRecipe("gharial.local/x:1", {"/bin/program": program, "/etc/passwd": "root:x:0:0"}, ("/bin/program",))
    first, second = tmp_path / "1.tar", tmp_path / "2.tar"
    write_archive(recipe, first)
    os.utime(program, (1, 1))
    write_archive(recipe, second)
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()
    with tarfile.open(first) as archive:
        layer = archive.extractfile("layer.tar")
        assert layer is not None
        with tarfile.open(fileobj=io.BytesIO(layer.read())) as files:
            assert files.getmember("bin/program").mode == 0o755
            assert {"bin", "etc", "etc/passwd"} <= set(files.getnames())


def test_an_archive_says_which_image_it_holds(tmp_path: Path) -> None:
    archive = tmp_path / "x.tar"
    write_archive(ImageRecipe("gharial/x:dev", {"/a": "b"}, ("/a",)), archive)
    image = inspect_archive(archive)
    assert image.references == ("docker.io/gharial/x:dev",)
    assert len(image.digest) == 64


def test_a_file_that_is_no_image_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"nonsense" * 1000)
    with pytest.raises(ValueError, match="no docker archive"):
        inspect_archive(tmp_path / "x.tar")


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("python:3.11", "docker.io/library/python:3.11"),
        ("gharial/server:dev", "docker.io/gharial/server:dev"),
        ("gharial.local/pause:1", "gharial.local/pause:1"),
        ("localhost/x:1", "localhost/x:1"),
        ("registry:5000/x:1", "registry:5000/x:1"),
    ],
)
def test_image_names_are_completed_as_containerd_does(name: str, full: str) -> None:
    assert full_reference(name) == full


def test_progress_says_what_is_left_and_remembers_how_long_it_took(tmp_path: Path) -> None:
    said, remembered = io.StringIO(), tmp_path / "durations.json"
    progress = Progress(said, remembered)
    progress.expect("first", "Do the first", seconds=300)
    progress.expect("second", "Do the second", seconds=60)
    with progress.stage("first") as stage:
        stage.advance(0.5)
    assert progress.seconds_left == 60
    assert said.getvalue().splitlines()[0] == "[1/2] Do the first (about 6 min left)"
    assert json.loads(remembered.read_text())["first"] < 5
    again = Progress(io.StringIO(), remembered)
    again.expect("first", "Do the first", seconds=300)
    assert again.seconds_left < 5


def test_a_stage_that_fails_says_so_and_is_not_remembered(tmp_path: Path) -> None:
    said, remembered = io.StringIO(), tmp_path / "durations.json"
    progress = Progress(said, remembered)
    with pytest.raises(RuntimeError), progress.stage("broken"):
        raise RuntimeError("no")
    assert "stopped after" in said.getvalue()
    assert not remembered.exists()


def test_a_process_is_recorded_before_it_becomes_the_program(tmp_path: Path) -> None:
    record = processes.start(
        tmp_path / "r.json", tmp_path / "log", [sys.executable, "-c", "import time; time.sleep(60)"]
    )
    try:
        assert record.alive()
        assert processes.start(tmp_path / "r.json", tmp_path / "log", ["false"]) == record
    finally:
        processes.stop(record)
    assert not record.alive()


def test_a_process_id_given_to_somebody_else_is_not_ours() -> None:
    mine = processes.own_record()
    stranger = processes.Record(mine.pid, mine.started + 1, mine.boot)
    earlier_boot = processes.Record(mine.pid, mine.started, "another")
    assert mine.alive() and not stranger.alive() and not earlier_boot.alive()
    processes.stop(stranger)  # would end this very test


def test_a_program_that_does_not_exist_is_reported_by_its_log(tmp_path: Path) -> None:
    record = processes.start(tmp_path / "r.json", tmp_path / "log", ["/no/such/program"])
    processes.stop(record)
    while record.alive():
        pass
    assert "FileNotFoundError" in (tmp_path / "log").read_text()


def test_the_module_of_the_box_requires_the_versions_that_the_programs_are_filed_under() -> None:
    module = (Path(processes.__file__).parent / "binaries" / "box" / "go.mod").read_text()
    modules = {
        "kubelet": "k8s.io/kubernetes",
        "etcd": "go.etcd.io/etcd/server/v3",
        "containerd": "github.com/containerd/containerd/v2",
        "coredns": "github.com/coredns/coredns",
        "helm": "helm.sh/helm/v4",
        "envoy-gateway": "github.com/envoyproxy/gateway",
    }
    for name, path in modules.items():
        assert isinstance(PROGRAMS[name].source, GoPackage)
        assert f"\t{path} v{PROGRAMS[name].version}\n" in module


def test_image_stores_go_when_their_checkout_is_gone_and_their_cluster_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GHARIAL_CACHE", str(tmp_path / "cache"))
    for name, owner in (("mine", None), ("gone", "/no/such/checkout"), ("gone-but-up", "/no/such/checkout")):
        image_stores.claim(name)
        image_stores.image_store(name).mkdir()
        if owner is not None:
            (image_stores.image_store(name).parent / image_stores.OWNER_FILE).write_text(owner)
    (tmp_path / "cache" / "nodes" / "mine" / "containerd-0.1").mkdir()
    (tmp_path / "cache" / "nodes" / "of-an-older-release").mkdir()
    (tmp_path / "cache" / "clusters" / "gone-but-up").mkdir(parents=True)
    assert sorted(image_stores.prune()) == ["gone", "mine", "of-an-older-release"]
    assert sorted(folder.name for folder in (tmp_path / "cache" / "nodes").iterdir()) == ["gone-but-up", "mine"]
    assert image_stores.image_store("mine").is_dir()
    assert list(image_stores.prune()) == []
