"""A folder in the OCI image layout that all images share, so that a layer lies there once.

layout/
  oci-layout, blobs/sha256/HEX   as the OCI image specification has it
  images/NAME-INPUTS.json        our records: which manifest belongs to which inputs
"""

import fcntl
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from gharial_cluster.files import write_atomically
from gharial_cluster.paths import cache_root

Progress = Callable[[str], None]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
# Builds of one image that are kept; older ones go when a new one comes.
KEPT = 4


@dataclass(frozen=True)
class Descriptor:
    """Points to a blob: media type, digest ("sha256:HEX"), size in bytes."""

    mediaType: str
    digest: str
    size: int


@dataclass(frozen=True)
class Layout:
    """The folder."""

    root: Path

    @classmethod
    def default(cls) -> "Layout":
        """The one in the user's cache."""
        return cls(cache_root() / "images" / "layout")

    @property
    def blobs(self) -> Path:
        """Where blobs lie, by the hexadecimal digits of their SHA-256."""
        return self.root / "blobs" / "sha256"

    def prepare(self) -> None:
        """Makes an empty layout unless there is one."""
        self.blobs.mkdir(parents=True, exist_ok=True)
        if not (self.root / "oci-layout").exists():
            write_atomically(self.root / "oci-layout", '{"imageLayoutVersion": "1.0.0"}')

    def blob(self, digest: str) -> Path:
        """The file of a blob, there or not."""
        return self.blobs / digest.removeprefix("sha256:")

    def add(self, data: bytes, media_type: str) -> Descriptor:
        """Stores bytes as a blob."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if not self.blob(digest).exists():
            write_atomically(self.blob(digest), data)
        return Descriptor(media_type, digest, len(data))

    def contents(self, manifest: Descriptor) -> list[Descriptor]:
        """Every blob of an image: manifest, configuration, layers from the lowest up, each once."""
        document = json.loads(self.blob(manifest.digest).read_bytes())
        found = [manifest, *(_descriptor(each) for each in (document["config"], *document["layers"]))]
        return list({each.digest: each for each in found}.values())

    def find(self, name: str, inputs: str) -> Descriptor | None:
        """The manifest of the image `name` made from these inputs, when all its blobs are there."""
        record = self._record(name, inputs)
        try:
            manifest = Descriptor(**json.loads(record.read_text()))
            complete = all(self.blob(each.digest).stat().st_size == each.size for each in self.contents(manifest))
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return manifest if complete else None

    def record(self, name: str, inputs: str, manifest: Descriptor) -> None:
        """Remembers an image, and forgets builds that are too old with the blobs that only they had."""
        write_atomically(self._record(name, inputs), json.dumps(asdict(manifest)))
        records = sorted(
            (self.root / "images").glob(f"{name}-????????????????.json"), key=lambda path: path.stat().st_mtime
        )
        for path in records[:-KEPT]:
            path.unlink()
        if records[:-KEPT]:
            self._collect()

    def _record(self, name: str, inputs: str) -> Path:
        return self.root / "images" / f"{name}-{inputs[:16]}.json"

    def _collect(self) -> None:
        used: set[str] = set()
        for path in (self.root / "images").glob("*.json"):
            try:
                used.update(each.digest for each in self.contents(Descriptor(**json.loads(path.read_text()))))
            except (OSError, ValueError, TypeError, KeyError):
                path.unlink()
        for blob in self.blobs.iterdir():
            if f"sha256:{blob.name}" not in used:
                blob.unlink()


def _descriptor(document: dict[str, object]) -> Descriptor:
    return Descriptor(str(document["mediaType"]), str(document["digest"]), int(str(document["size"])))


@contextmanager
def locked(folder: Path, progress: Progress) -> Iterator[None]:
    """Holds the folder's lock; says so when another process has it first."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        started, told = time.monotonic(), False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told and time.monotonic() - started > 1:
                    progress("images: another process is building; waiting for it")
                    told = True
                time.sleep(0.2)
        yield
