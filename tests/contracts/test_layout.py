"""The shape of the repository: source roots, file sizes, the standard library's names."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE_ROOTS = ["cli", "operator", "server", "training", "dev"]
LONGEST_FILE = 400


def python_files() -> list[Path]:
    """Every Python file that git knows or would add, generated stubs left out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = [ROOT / line for line in listed.stdout.splitlines()]
    return [f for f in files if f.exists() and not f.stem.endswith(("_pb2", "_pb2_grpc"))]


@pytest.mark.parametrize("root", SOURCE_ROOTS)
def test_source_roots_are_no_packages(root: str) -> None:
    assert not (ROOT / root / "__init__.py").exists()


def test_import_operator_from_the_root_gives_the_standard_library() -> None:
    script = "import sys; sys.modules.pop('operator', None); import operator; print(operator.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip().startswith(sys.base_prefix)


def test_no_python_file_is_longer_than_the_limit() -> None:
    lengths = {str(f.relative_to(ROOT)): len(f.read_text().splitlines()) for f in python_files()}
    assert {f: n for f, n in lengths.items() if n > LONGEST_FILE} == {}


def test_the_median_python_file_is_short() -> None:
    lengths = sorted(n for f in python_files() if (n := len(f.read_text().splitlines())) > 5)
    assert lengths[len(lengths) // 2] <= 170


def test_the_table_of_contents_names_every_page_of_documentation_once() -> None:
    docs = ROOT / "docs"
    named = re.findall(r"\]\(([^)#]+)\)", (docs / "README.md").read_text())
    pages = [str(page.relative_to(docs)) for page in docs.rglob("*.md")]
    assert sorted([*named, "README.md"]) == sorted(pages)
