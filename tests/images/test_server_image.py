"""The server's image, really built: what the demo and the end-to-end tests run."""

import tarfile

import pytest
from gharial_asr.inference.native.build import library
from gharial_cluster.images import BuiltImage, build

pytestmark = pytest.mark.timeout(1800)
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def server() -> BuiltImage:
    return build("server", print)


def test_the_image_is_small_enough_to_travel(server: BuiltImage) -> None:
    assert server.size < 1500 * MEGABYTE


def test_no_gpu_library_weighs_anything_and_no_test_tool_is_there(server: BuiltImage) -> None:
    sizes: dict[str, int] = {}
    for each in server.layout.contents(server.manifest)[2:]:
        with tarfile.open(server.layout.blob(each.digest)) as layer:
            sizes.update({member.name: member.size for member in layer})
    stubs = [size for name, size in sizes.items() if "/libcublas" in name or "/libnccl" in name]
    assert all(size < MEGABYTE for size in stubs)
    assert "opt/gharial/src/server/gharial_server/__init__.py" in sizes
    assert f"opt/gharial/src/server/gharial_asr/inference/native/{library().name}" in sizes
    assert not any("ziglang" in name for name in sizes)
    assert not any("gharial_operator" in name or "gharial_training" in name for name in sizes)
