"""From a checkpoint's URI to a verified file on this machine.

    path in the image      -> hashed, used where it lies
    http:// or https://    -> CACHE/<sha256>/<name>, fetched once per node: a lock per checkpoint lets pods share it

A file becomes visible only when it is complete and its sha256 is right (temporary file, fsync, rename). A wrong
checksum is permanent: trying again gives the same file, so it ends the server with a message that names both sums.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

_BLOCK = 1 << 20
_ATTEMPTS = 5
_TIMEOUT_SECONDS = 30.0


class CheckpointError(RuntimeError):
    """The checkpoint cannot be had. `reason` is one word for machines; the message begins with it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason


@dataclass(frozen=True)
class LocalCheckpoint:
    """A verified file and its sha256 in hex."""

    path: Path
    sha256: str


def obtain(uri: str, sha256: str | None, cache: Path) -> LocalCheckpoint:
    """Returns the checkpoint as a local file whose sha256 has been checked (if one is given).

    Raises CheckpointError: ChecksumMismatch, CheckpointNotFound or CheckpointUnreachable.
    """
    expected = sha256.lower() if sha256 else None
    scheme = urllib.parse.urlsplit(uri).scheme
    if scheme in {"http", "https"}:
        return _from_web(uri, expected, cache)
    if scheme not in {"", "file"}:
        raise CheckpointError("CheckpointNotFound", f"{uri} has scheme {scheme}; give a path or an http(s) URL")
    path = Path(urllib.parse.unquote(urllib.parse.urlsplit(uri).path) if scheme == "file" else uri)
    if not path.is_file():
        raise CheckpointError("CheckpointNotFound", f"no file {path}; give a path inside the image or an http(s) URL")
    return LocalCheckpoint(path, _checked(uri, expected, digest(path)))


def digest(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on the file `path` (made when missing) against every process of the node."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _from_web(url: str, expected: str | None, cache: Path) -> LocalCheckpoint:
    key = expected or hashlib.sha256(url.encode()).hexdigest()
    name = Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).name or "checkpoint"
    with locked(cache / "locks" / key):
        if expected:
            kept = cache / expected / name
            if kept.is_file():
                if digest(kept) == expected:
                    log.info("checkpoint is in the cache", extra={"path": str(kept)})
                    return LocalCheckpoint(kept, expected)
                log.warning("cached checkpoint is damaged; fetching it again", extra={"path": str(kept)})
        return _fetch(url, expected, cache, name)


def _fetch(url: str, expected: str | None, cache: Path, name: str) -> LocalCheckpoint:
    """Downloads, checks, and only then puts the file into its place."""
    partial = cache / f"partial-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        with partial.open("wb") as file:
            found = _download(url, file)
            file.flush()
            os.fsync(file.fileno())
        sha256 = _checked(url, expected, found)
        kept = cache / sha256 / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(kept)
    finally:
        partial.unlink(missing_ok=True)
    log.info("checkpoint fetched", extra={"url": _without_secrets(url), "sha256": sha256})
    return LocalCheckpoint(kept, sha256)


def _download(url: str, file: IO[bytes]) -> str:
    """Writes the URL's content into the file and returns its sha256; tries again while that may help."""
    for attempt in range(1, _ATTEMPTS + 1):
        file.seek(0)
        file.truncate()
        hashing = hashlib.sha256()
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
                while block := response.read(_BLOCK):
                    file.write(block)
                    hashing.update(block)
                return hashing.hexdigest()
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            permanent = isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code not in {408, 429}
            if permanent or attempt == _ATTEMPTS:
                reason = "CheckpointNotFound" if permanent else "CheckpointUnreachable"
                raise CheckpointError(reason, f"{_without_secrets(url)} cannot be fetched: {error}") from error
            log.warning("fetching the checkpoint failed; trying again", extra={"attempt": attempt, "error": str(error)})
            time.sleep(min(2.0**attempt, 10.0))
    raise AssertionError("unreachable: the last attempt returns or raises")


def _checked(uri: str, expected: str | None, found: str) -> str:
    if expected and found != expected:
        raise CheckpointError(
            "ChecksumMismatch",
            f"{_without_secrets(uri)} has sha256 {found}, expected {expected}; "
            "correct the checksum, or the URI if it names the wrong file",
        )
    return found


def _without_secrets(uri: str) -> str:
    """The URI without user, password and query, for logs and status."""
    parts = urllib.parse.urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit((parts.scheme, host, parts.path, "", ""))
