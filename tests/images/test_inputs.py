"""What decides whether an image is built anew, and what a build is told of the machine outside."""

from pathlib import Path

import pytest
from gharial_cluster.images.requirements import installed_part, layers
from gharial_cluster.images.secrets import pip_conf
from gharial_cluster.images.targets import Target, input_digest
from gharial_cluster.paths import checkout_root

PYPROJECT = (checkout_root() / "pyproject.toml").read_text()


def test_a_changed_file_or_argument_changes_the_digest_and_what_is_compiled_does_not(tmp_path: Path) -> None:
    (tmp_path / "source" / "__pycache__").mkdir(parents=True)
    (tmp_path / "source" / "module.py").write_text("x = 1\n")
    target = Target("x", "x", ("source",))
    first = input_digest(tmp_path, target, {"TORCH_INDEX": ""})
    (tmp_path / "source" / "__pycache__" / "module.pyc").write_bytes(b"compiled")
    (tmp_path / "source" / "kernel-0123.so").write_bytes(b"compiled")
    assert input_digest(tmp_path, target, {"TORCH_INDEX": ""}) == first
    assert input_digest(tmp_path, target, {"TORCH_INDEX": "https://index"}) != first
    (tmp_path / "source" / "module.py").write_text("x = 2\n")
    assert input_digest(tmp_path, target, {"TORCH_INDEX": ""}) != first


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="models/starter is missing"):
        input_digest(tmp_path, Target("x", "x", ("models/starter",)), {})


def test_only_the_server_has_torch() -> None:
    split = layers(PYPROJECT)
    assert [line for line in split["torch"] if line.startswith("torch")] == split["torch"] != []
    assert not any(line.startswith("torch") for name in ("base", "control", "server") for line in split[name])


def test_the_part_that_is_installed_has_the_command_and_not_the_linters() -> None:
    part = installed_part(PYPROJECT)
    assert "gharial_cli.main:main" in part and "dev-mode-dirs" in part
    assert "[tool.ruff" not in part
    assert "hooks" not in part  # would look for hatch_build.py and compile


def test_the_environment_of_pip_wins_over_its_files_as_it_does_for_pip() -> None:
    listing = (
        ":env:.index-url='https://from/environment'\n:env:.find-links='/here/only'\nglobal.index-url='https://file'"
    )
    assert pip_conf(listing, with_certificates=True) == (
        "[global]\nindex-url = https://from/environment\ncert = /run/secrets/ca.pem\n"
    )
