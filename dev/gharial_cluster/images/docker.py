"""Builds with docker, where its daemon answers."""

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

from gharial_cluster.images.layout import MANIFEST, Descriptor, Layout, Progress
from gharial_cluster.images.secrets import build_secrets
from gharial_cluster.images.targets import Target

# The first version whose `docker save` writes the OCI layout.
OLDEST = 25


def usable() -> bool:
    """Whether a docker daemon answers that is new enough."""
    if shutil.which("docker") is None:
        return False
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    major = outcome.stdout.split(".")[0]
    return outcome.returncode == 0 and major.isdigit() and int(major) >= OLDEST


def build(layout: Layout, checkout: Path, target: Target, arguments: dict[str, str], progress: Progress) -> Descriptor:
    """Builds one target of the checkout's Dockerfile and brings it into the layout.

    Raises RuntimeError with the end of the build's output.
    """
    options = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    image, archive = f"gharial/{target.name}:dev", layout.root.parent / "tmp" / f"{target.name}.tar"
    with build_secrets(archive.parent) as secrets:
        _run(["build", *options, *secrets, "--target", target.stage, "--tag", image, str(checkout)])
    progress(f"images: exporting {target.name}")
    try:
        _run(["save", "--output", str(archive), image])
        return take_archive(archive, layout)
    finally:
        archive.unlink(missing_ok=True)


def _run(words: list[str]) -> None:
    outcome = subprocess.run(
        ["docker", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if outcome.returncode:
        raise RuntimeError(f"docker {words[0]} failed; its output ends:\n{outcome.stdout[-2000:]}")


def take_archive(archive: Path, layout: Layout) -> Descriptor:
    """Brings the one image of an archive that `docker save` wrote into the layout.

    Raises RuntimeError when the archive is not in the OCI layout.
    """
    with tarfile.open(archive) as tar:
        names = set(tar.getnames())
        if "index.json" not in names:
            raise RuntimeError(f"docker {OLDEST} or newer is needed: this one saves images in an older format")
        for member in tar.getmembers():
            path = Path(member.name)
            if member.isfile() and path.parent == Path("blobs/sha256") and not (layout.blobs / path.name).exists():
                source = tar.extractfile(member)
                assert source is not None
                partial = layout.blobs / f"{path.name}.partial"
                with partial.open("wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
                partial.replace(layout.blobs / path.name)
        index = tar.extractfile("index.json")
        assert index is not None
        document = json.load(index)["manifests"][0]
    while document["mediaType"] != MANIFEST:
        # An index of platforms: the first entry is the image, attestations follow.
        document = json.loads(layout.blob(document["digest"]).read_bytes())["manifests"][0]
    return Descriptor(MANIFEST, document["digest"], document["size"])
