"""Builds Go programs: those of the box in one module by one `go build`, so that shared packages are compiled once."""

import json
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from gharial_cluster.binaries.recipes import (
    BUILD_TAGS,
    ENVOY_GATEWAY_VERSION,
    GO_VERSION,
    GoPackage,
    Program,
    version_settings,
)
from gharial_cluster.binaries.toolchain import ensure_go, go_environment
from gharial_cluster.progress import Stage

_MODULES = Path(__file__).parent
_GATEWAY = "github.com/envoyproxy/gateway"
# Of the released module, as the public checksum database has it.
_GATEWAY_SUM = "h1:vAVp6/AlBXJ1aOhp1mxL7fNEzVEfjADUguUhm2wzxQY="
# Neither the compiler nor the linker writes debugging tables: nobody debugs Kubernetes here.
_FLAGS = ("-gcflags=all=-dwarf=false", f"-tags={BUILD_TAGS}")
_CHART = "charts/gateway-helm"
_PROXY_REMEDY = "If the Go module proxy is out of reach, set GOPROXY to one that you can reach."


def build(programs: Sequence[Program], bin_folder: Path, work: Path, caches: Path, stage: Stage) -> None:
    """Builds `programs` and puts each where it belongs below `bin_folder`.

    Args:
        programs: each made from a Go package.
        bin_folder: the cache's programs, Go among them.
        work: folder for sources; may go when nothing is left to build.
        caches: folder for Go's module and compiler caches; may go as well.
        stage: learns how much is done.

    Raises:
        RuntimeError: Go failed; the message is its own.
    """
    environment = go_environment(ensure_go(bin_folder), caches)
    sources = {program.name: program.source for program in programs if isinstance(program.source, GoPackage)}
    for name in sorted({source.module for source in sources.values()}):
        module = Path(shutil.copytree(_MODULES / name, work / name, dirs_exist_ok=True))
        if name == "box":
            gateway = _gateway_sources(work, environment)
        chosen = [program for program in programs if program.name in sources and sources[program.name].module == name]
        packages = [sources[program.name].path for program in chosen]
        stale = ["list", "-deps", "-f={{if .Stale}}{{.ImportPath}}{{end}}", *_FLAGS]
        total = len(_go([*stale, *packages], module, environment).split()) or 1
        with tempfile.TemporaryDirectory(dir=work) as output:
            _compile(packages, Path(output), module, environment, total, stage)
            for program in chosen:
                target = bin_folder / program.location
                target.parent.mkdir(parents=True, exist_ok=True)
                if program.name == "envoy-gateway":
                    _write_chart(gateway, target.parent / "chart")
                Path(output, program.name).replace(target)


def _compile(
    packages: Sequence[str], output: Path, module: Path, environment: Mapping[str, str], total: int, stage: Stage
) -> None:
    """Runs `go build`; it names every package that it compiles."""
    settings = " ".join(f"-X {name}={value}" for name, value in version_settings().items())
    command = [
        f"{environment['GOROOT']}/bin/go",
        "build",
        "-v",
        f"-ldflags=-s -w {settings}",
        *_FLAGS,
    ]
    with subprocess.Popen(
        [*command, "-o", f"{output}/", *packages],
        cwd=module, env=dict(environment), stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        said: list[str] = []
        for done, line in enumerate(process.stderr):
            said = [*said[-20:], line]
            stage.advance(0.9 * done / total)  # the last tenth is linking
    if process.returncode != 0:
        raise RuntimeError(f"go build failed ({process.returncode}):\n{''.join(said)}")


def _gateway_sources(work: Path, environment: Mapping[str, str]) -> Path:
    """Envoy Gateway's module, unpacked so that this Go accepts it: only its go.mod asks for a later patch release.

    Raises:
        RuntimeError: it cannot be fetched, or is not what was released.
    """
    copy = work / "envoy-gateway"
    if copy.exists():
        return copy
    work.mkdir(parents=True, exist_ok=True)
    release = f"{_GATEWAY}@v{ENVOY_GATEWAY_VERSION}"
    # Go refuses the module for its go directive, yet says where the archive is and what its checksum is.
    done = _run_go(["mod", "download", "-json", release], work, environment)
    module: dict[str, str] = json.loads(done.stdout or "{}")
    if "Zip" not in module:
        raise RuntimeError(f"cannot fetch {release}: {module.get('Error', done.stderr.strip())}\n{_PROXY_REMEDY}")
    if module["Sum"] != _GATEWAY_SUM:
        raise RuntimeError(f"{release} is not what was released: its checksum is {module['Sum']}")
    with tempfile.TemporaryDirectory(dir=work) as draft:
        with zipfile.ZipFile(module["Zip"]) as archive:
            archive.extractall(draft)
        go_mod = Path(draft, release, "go.mod")
        go_mod.write_text(re.sub(r"^go \S+$", f"go {GO_VERSION}", go_mod.read_text(), flags=re.MULTILINE))
        go_mod.parent.rename(copy)
    return copy


def _write_chart(gateway: Path, target: Path) -> None:
    """Envoy Gateway's own chart, with its template of values made into values."""
    with tempfile.TemporaryDirectory(dir=target.parent) as draft:
        chart = Path(shutil.copytree(gateway / _CHART, Path(draft, "chart")))
        values = (chart / "values.tmpl.yaml").read_text()
        # The cluster's own values name the image; these only have to be valid.
        values = values.replace("${GatewayImagePullPolicy}", "IfNotPresent").replace("${GatewayImage}", "unset")
        (chart / "values.yaml").write_text(values)
        shutil.rmtree(target, ignore_errors=True)
        chart.rename(target)


def _go(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    done = _run_go(arguments, folder, environment)
    if done.returncode != 0:
        raise RuntimeError(f"go {arguments[0]} failed: {done.stderr.strip()[-2000:]}\n{_PROXY_REMEDY}")
    return done.stdout


def _run_go(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [f"{environment['GOROOT']}/bin/go", *arguments]
    return subprocess.run(command, cwd=folder, env=dict(environment), capture_output=True, text=True, check=False)
