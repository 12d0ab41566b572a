"""Builds with buildah, in the cache alone: storage, mounts and temporary files of a build leave nothing elsewhere.

Every call runs in a mount namespace of its own, in which the cache lies over buildah's usual folders. So its mounts
vanish with it, however it ends. The folders themselves stay, empty: to remove one would unmount the cache beneath a
build that uses another cache.
"""

import collections
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from gharial_cluster.images import base
from gharial_cluster.images.layout import MANIFEST, Descriptor, Layout, Progress
from gharial_cluster.images.secrets import build_secrets
from gharial_cluster.images.targets import Target

# Mounts $1 and $2 over buildah's folders, then runs the rest.
_ENTER = 'mount --bind "$1" /var/lib/containers && mount --bind "$2" /run/containers && shift 2 && exec buildah "$@"'
_FOLDERS = (Path("/var/lib/containers"), Path("/run/containers"))
_STEP = re.compile(r"\[(\S+)\] STEP (\S+): (\w+)")
# Results of single steps count as images and are what makes a build quick; a hundred builds leave about this many.
_MOST_IMAGES = 500
# Blobs in a folder of buildah's are named so; the other files are not.
_SHA256_DIGITS = 64
_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'


def missing() -> bool:
    """Whether buildah still has to be installed."""
    return shutil.which("buildah") is None


def build(layout: Layout, checkout: Path, target: Target, arguments: dict[str, str], progress: Progress) -> Descriptor:
    """Builds one target of the checkout's Dockerfile and brings it into the layout.

    Raises RuntimeError with the remedy or the end of the build's output.
    """
    tool = Buildah(layout.root.parent)
    tool.prepare()
    base.ensure(tool, arguments["BASE"], progress)
    options = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    with build_secrets(tool.folder / "tmp") as secrets:
        tool.run(
            [
                *("bud", "--layers", "--isolation", "chroot", "--pull=never", "--format", "oci", *options, *secrets),
                *("--target", target.stage, "--tag", f"gharial/{target.name}:dev", str(checkout)),
            ],
            lambda step: progress(f"images: {target.name}: {step}"),
        )
    manifest = tool.export(f"gharial/{target.name}:dev", layout)
    if len(tool.run(["images", "--all", "--quiet"]).split()) > _MOST_IMAGES:
        tool.run(["rmi", "--prune"])
    return manifest


class Buildah:
    """buildah with its storage below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Makes the folders, and forgets working containers of builds that were interrupted.

        Raises RuntimeError when buildah cannot be had or the user is not root.
        """
        if os.geteuid() != 0:
            raise RuntimeError("building images needs root: run the command with sudo")
        base.install("buildah", "buildah")
        for path in (self.folder / "lib", self.folder / "run", self.folder / "tmp"):
            path.mkdir(parents=True, exist_ok=True)
        (self.folder / "policy.json").write_text(_POLICY)
        self.run(["rm", "--all"])

    def run(self, words: Sequence[str], progress: Progress | None = None) -> str:
        """Runs `buildah WORDS` and returns its output; steps of a build go to `progress`.

        Raises RuntimeError with the end of the output.
        """
        verb, *rest = words
        policy = (
            ["--signature-policy", str(self.folder / "policy.json")] if verb in {"bud", "push", "pull", "from"} else []
        )
        command = [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "sh"),
            *(str(self.folder / "lib"), str(self.folder / "run")),
            *("--root", "/var/lib/containers/storage", "--runroot", "/run/containers/storage", verb, *policy, *rest),
        ]
        for path in _FOLDERS:
            path.mkdir(parents=True, exist_ok=True)
        return self._stream(command, progress)

    def _stream(self, command: list[str], progress: Progress | None) -> str:
        environment = {**os.environ, "TMPDIR": str(self.folder / "tmp")}
        lines: collections.deque[str] = collections.deque(maxlen=2000)
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environment,
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    lines.append(line)
                    step = _STEP.match(line)
                    if progress is not None and step is not None:
                        progress(f"stage {step[1]}, step {step[2]}, {step[3]}")
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            end = "".join(list(lines)[-25:])
            raise RuntimeError(f"buildah {command[-1]!r} failed (status {process.returncode}); its output ends:\n{end}")
        return "".join(lines)

    def has(self, image: str) -> bool:
        """Whether the storage holds an image of this name."""
        try:
            self.run(["inspect", "--type", "image", image])
        except RuntimeError:
            return False
        return True

    def export(self, image: str, layout: Layout) -> Descriptor:
        """Brings an image into the layout.

        Layers that lie there already are not written again, so an export after a change of code takes a fraction of a
        second. That way compresses new layers, though. When most are new, they are better left as they are (a quarter
        of the time, and nodes unpack them faster), which buildah does only for another kind of folder.
        """
        document = json.loads(self.run(["inspect", "--type", "image", image]))
        layers = document["OCIv1"]["rootfs"]["diff_ids"]
        new = [layer for layer in layers if not layout.blob(layer).exists()]
        if 2 * len(new) > len(layers):
            return self._export_uncompressed(image, layout)
        self.run(["push", image, f"oci:{layout.root}:export"])
        index = json.loads((layout.root / "index.json").read_text())
        (layout.root / "index.json").unlink()
        return Descriptor(MANIFEST, index["manifests"][0]["digest"], index["manifests"][0]["size"])

    def _export_uncompressed(self, image: str, layout: Layout) -> Descriptor:
        folder = self.folder / "tmp" / "export"
        shutil.rmtree(folder, ignore_errors=True)
        self.run(["push", "--disable-compression", image, f"dir:{folder}"])
        manifest = (folder / "manifest.json").read_bytes()
        for path in folder.iterdir():
            if len(path.name) == _SHA256_DIGITS:
                path.replace(layout.blobs / path.name)
        shutil.rmtree(folder)
        return layout.add(manifest, MANIFEST)
