"""A bitstream for Achronix cards as one file: the vendor's two files and a manifest, in a tar archive.

    manifest.json            version, releaseDate, and sha256 of the other two
    bitstream_page0.flash    goes to offset 0 of the flash memory
    bitstream.flash          goes to offset 4096

A pool has one file with one digest, and the vendor's files do not say which version they are. The archive is plain tar
without compression; the same arguments give the same bytes.
"""

import hashlib
import io
import json
import re
import tarfile
from dataclasses import dataclass
from datetime import date

from gharial_wire.bitstream import BODY_OFFSET

MANIFEST = "manifest.json"
PAGE_0 = "bitstream_page0.flash"
BODY = "bitstream.flash"
VERSION = re.compile(r"^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}$")


@dataclass(frozen=True)
class BitstreamArchive:
    """The two files, and what they are."""

    version: str
    release_date: date
    page_0: bytes
    body: bytes


def pack(archive: BitstreamArchive) -> bytes:
    """The archive's bytes. Raises ValueError when something in it cannot be right."""
    check(archive)
    manifest = {
        "version": archive.version,
        "releaseDate": archive.release_date.isoformat(),
        "sha256": {PAGE_0: digest(archive.page_0), BODY: digest(archive.body)},
    }
    files = {MANIFEST: json.dumps(manifest, indent=1).encode() + b"\n", PAGE_0: archive.page_0, BODY: archive.body}
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return sink.getvalue()


def unpack(data: bytes) -> BitstreamArchive:
    """The archive's contents. Raises ValueError when it is none, or was changed."""
    files = read_files(data)
    try:
        manifest = json.loads(files[MANIFEST])
        expected = {name: str(manifest["sha256"][name]) for name in (PAGE_0, BODY)}
        version, released = str(manifest["version"]), date.fromisoformat(manifest["releaseDate"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"its {MANIFEST} cannot be understood ({error})") from None
    for name, wanted in expected.items():
        if digest(files[name]) != wanted:
            raise ValueError(f"its {name} is not the one that its {MANIFEST} describes")
    archive = BitstreamArchive(version, released, files[PAGE_0], files[BODY])
    check(archive)
    return archive


def read_files(data: bytes) -> dict[str, bytes]:
    """The three files and no other. Raises ValueError."""
    wanted = {MANIFEST, PAGE_0, BODY}
    files = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for entry in tar:
                reader = tar.extractfile(entry) if entry.isreg() else None
                if reader is None or entry.name not in wanted or entry.name in files:
                    raise ValueError(f"it holds {entry.name!r}, which does not belong there")
                files[entry.name] = reader.read()
    except tarfile.TarError:
        raise ValueError("it is no bitstream archive; make one with `gharial bitstream pack`") from None
    missing = sorted(wanted - files.keys())
    if missing:
        raise ValueError(f"it holds no {missing[0]}; make the archive with `gharial bitstream pack`")
    return files


def check(archive: BitstreamArchive) -> None:
    """Raises ValueError when the parts cannot be what they are said to be."""
    if not VERSION.match(archive.version):
        raise ValueError(f"version {archive.version!r} is not three numbers, such as 1.14.0")
    if not archive.page_0 or not archive.body:
        raise ValueError(f"{BODY if archive.page_0 else PAGE_0} is empty")
    if len(archive.page_0) > BODY_OFFSET:
        raise ValueError(
            f"{PAGE_0} has {len(archive.page_0)} bytes, more than the {BODY_OFFSET} below the bitstream: "
            "are the two files the wrong way round?"
        )


def digest(data: bytes) -> str:
    """sha256 in hex."""
    return hashlib.sha256(data).hexdigest()
