"""The operator's image, really built. It shares the cache with everything else, so a second run builds nothing."""

import json
import os
import tarfile
from collections.abc import Iterator

import pytest
from gharial_cluster.images import BuiltImage, build

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def operator() -> BuiltImage:
    if os.geteuid() != 0:
        pytest.fail("building images needs root")
    return build("operator", print)


def files(image: BuiltImage) -> Iterator[str]:
    for each in image.layout.contents(image.manifest)[2:]:
        with tarfile.open(image.layout.blob(each.digest)) as layer:
            yield from layer.getnames()


def config(image: BuiltImage) -> dict[str, object]:
    found = json.loads(image.layout.blob(image.layout.contents(image.manifest)[1].digest).read_bytes())["config"]
    assert isinstance(found, dict)
    return found


def test_the_operator_runs_as_a_user_without_rights(operator: BuiltImage) -> None:
    assert config(operator)["User"] == "65532:65532"
    assert config(operator)["Entrypoint"] == ["gharial"]


def test_the_operator_carries_its_own_code_and_neither_torch_nor_the_agent(operator: BuiltImage) -> None:
    names = set(files(operator))
    assert "opt/gharial/src/operator/gharial_operator/__init__.py" in names
    assert not any("site-packages/torch" in name or "gharial_agent" in name for name in names)


def test_secrets_of_the_build_are_in_no_layer(operator: BuiltImage) -> None:
    assert not [name for name in files(operator) if name.endswith(("pip.conf", "ca.pem"))]


def test_unchanged_inputs_build_nothing(operator: BuiltImage) -> None:
    told: list[str] = []
    assert build("operator", told.append) == operator
    assert told == []
