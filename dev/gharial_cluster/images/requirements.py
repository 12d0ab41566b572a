"""Splits pyproject.toml into what each image layer needs. Runs inside a build, on a bare Python.

    python3 requirements.py PYPROJECT FOLDER

FOLDER gets one requirements file per layer and `project/`, a project without code whose installation brings the
`gharial` command. A layer is built anew when its file changes, so an edit to the linters' part of pyproject.toml
rebuilds nothing. All files carry one fixed time, because some builders' cache looks at it.
"""

import os
import re
import sys
import tomllib
from pathlib import Path

# Sections that decide how the project is installed. The hook compiles the kernel, which has a stage of its own.
INSTALLED = ("build-system", "project", "tool.hatch")
LEFT_OUT = "tool.hatch.build.targets.wheel.hooks"


def layers(pyproject: str) -> dict[str, list[str]]:
    """The requirements of each layer: base, control (operator and agent), torch, server."""
    project = tomllib.loads(pyproject)["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    return {
        "base": project["dependencies"],
        "control": sorted({*extras["operator"], *extras["agent"]}),
        "torch": [line for line in extras["server"] if _name(line) == "torch"],
        "server": [line for line in (*extras["server"], *extras["traces"]) if _name(line) != "torch"],
    }


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()


def installed_part(pyproject: str) -> str:
    """The sections of pyproject.toml that an installation reads, word for word."""
    sections = re.split(r"^(?=\[)", pyproject, flags=re.MULTILINE)
    named = [(section.lstrip("["), section) for section in sections]
    return "".join(section for name, section in named if name.startswith(INSTALLED) and not name.startswith(LEFT_OUT))


def main(source: Path, folder: Path) -> None:
    """Writes the files."""
    pyproject = source.read_text()
    project = folder / "project"
    project.mkdir(parents=True)
    for layer, lines in layers(pyproject).items():
        (folder / f"{layer}.txt").write_text("".join(f"{line}\n" for line in lines))
    (project / "pyproject.toml").write_text(installed_part(pyproject))
    # pyproject.toml names them; an image needs their presence only.
    (project / "README.md").touch()
    (project / "LICENSE").touch()
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (0, 0))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
