"""The folder that holds images, and what a node is sent from it."""

import io
import json
import tarfile
from pathlib import Path

import pytest
from gharial_cluster.images.build import BuiltImage
from gharial_cluster.images.docker import take_archive
from gharial_cluster.images.layout import CONFIG, KEPT, LAYER, MANIFEST, Descriptor, Layout
from gharial_cluster.images.loading import write_archive


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "layout")
    layout.prepare()
    return layout


def image(layout: Layout, *layers: bytes) -> Descriptor:
    manifest = {
        "config": vars(layout.add(b"{}", CONFIG)),
        "layers": [vars(layout.add(layer, LAYER)) for layer in layers],
    }
    return layout.add(json.dumps(manifest).encode(), MANIFEST)


def test_an_image_with_a_missing_layer_is_not_found(layout: Layout) -> None:
    manifest = image(layout, b"lower", b"upper")
    layout.record("server", "a" * 64, manifest)
    assert layout.find("server", "a" * 64) == manifest
    layout.blob(layout.contents(manifest)[-1].digest).unlink()
    assert layout.find("server", "a" * 64) is None


def test_old_builds_go_and_leave_the_layers_that_others_need(layout: Layout) -> None:
    for number in range(KEPT + 1):
        layout.record("server", f"{number:064x}"[::-1], image(layout, b"shared", f"own {number}".encode()))
    contents = {path.read_bytes() for path in layout.blobs.iterdir()}
    assert b"shared" in contents and b"own 1" in contents
    assert b"own 0" not in contents


def test_a_node_is_sent_only_the_blobs_that_it_lacks(layout: Layout) -> None:
    manifest = image(layout, b"lower", b"upper")
    _, _, lower, upper = layout.contents(manifest)
    stream = io.BytesIO()
    built = BuiltImage("docker.io/gharial/x:dev", "docker.io/gharial/x:1", manifest, layout)
    write_archive(stream, built, {lower.digest})
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        names = tar.getnames()
        index = json.load(tar.extractfile("index.json") or io.BytesIO())
    assert f"blobs/sha256/{upper.digest[7:]}" in names
    assert f"blobs/sha256/{lower.digest[7:]}" not in names
    assert [each["annotations"]["io.containerd.image.name"] for each in index["manifests"]] == [built.ref, built.pinned]


def test_an_archive_of_docker_save_is_taken_over(layout: Layout, tmp_path: Path) -> None:
    other = Layout(tmp_path / "other")
    other.prepare()
    manifest = image(other, b"lower")
    with tarfile.open(tmp_path / "saved.tar", "w") as tar:
        (other.root / "index.json").write_text(json.dumps({"manifests": [vars(manifest)]}))
        tar.add(other.root, arcname=".", recursive=False)
        for path in [*other.blobs.iterdir(), other.root / "index.json"]:
            tar.add(path, arcname=str(path.relative_to(other.root)))
    assert take_archive(tmp_path / "saved.tar", layout) == manifest
    layout.record("x", "b" * 64, manifest)
    assert layout.find("x", "b" * 64) == manifest


def test_an_archive_of_an_old_docker_is_refused_with_the_version_needed(layout: Layout, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "old.tar", "w"):
        pass
    with pytest.raises(RuntimeError, match="docker 25"):
        take_archive(tmp_path / "old.tar", layout)
