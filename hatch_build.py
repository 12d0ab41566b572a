"""Compiles the int8 kernel into every wheel, editable ones included: `pip install` of any kind brings it."""

import importlib.util
import platform
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE = Path("server/gharial_asr/inference/native")


class KernelBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs `native/build.py`, which stands alone, and marks the wheel as this machine's."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """version: "standard" or "editable"; both compile into the source tree. Raises RuntimeError."""
        path = Path(self.root) / NATIVE / "build.py"
        spec = importlib.util.spec_from_file_location("native_build", path)
        assert spec is not None and spec.loader is not None
        native = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(native)
        library = native.build()
        build_data["artifacts"].append(f"/{NATIVE / library.name}")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux_{native.GLIBC.replace('.', '_')}_{platform.machine()}"
