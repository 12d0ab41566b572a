"""Who may open streams, and how many: keys from a folder, limits per tenant.

The folder is what Kubernetes makes of a mounted Secret: one file a key. A file is named like its tenant; what follows a
dot tells several keys of one tenant apart, so that a key is replaced without a moment in which neither works. It holds
the key alone, or a JSON object with the key and the tenant's own limit. Only digests of the keys are kept.
"""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gharial_server.admission import Refusal

log = logging.getLogger(__name__)

SHORTEST_KEY = 16
_FIELDS = {"key", "maxStreamsPerPod"}
_BEARER = "bearer "


@dataclass(frozen=True)
class Tenant:
    """Somebody with a key. max_streams: on this server at once; None for no limit."""

    name: str
    max_streams: int | None = None


def key_of(headers: Mapping[str, str], query_key: str | None) -> str | None:
    """The key that a request brings: `X-API-Key`, `Authorization: Bearer`, or the query's `api_key`, in this order.

    headers: names in any case, as HTTP libraries give them.
    """
    given = headers.get("X-API-Key")
    if given is not None:
        return given
    authorization = headers.get("Authorization", "")
    if authorization.lower().startswith(_BEARER):
        return authorization[len(_BEARER) :].strip()
    return query_key


def read_key(name: str, text: str, max_streams: int | None) -> tuple[bytes, Tenant]:
    """One file's key, as its digest, and the tenant it belongs to. Raises ValueError that names the file."""
    key: object = text.strip()
    if text.lstrip().startswith("{"):
        try:
            entry = json.loads(text)
        except ValueError as error:
            raise ValueError(f"the key {name} is no JSON object: {error}") from error
        if unknown := entry.keys() - _FIELDS:
            raise ValueError(f"the key {name} has {', '.join(sorted(unknown))}; known are {', '.join(sorted(_FIELDS))}")
        key, max_streams = entry.get("key"), entry.get("maxStreamsPerPod", max_streams)
    if not isinstance(key, str) or len(key) < SHORTEST_KEY:
        raise ValueError(
            f"the key {name} is shorter than {SHORTEST_KEY} characters; make one with: openssl rand -hex 24"
        )
    if max_streams is not None and (type(max_streams) is not int or max_streams < 1):
        raise ValueError(f"the key {name} has maxStreamsPerPod {max_streams!r}; give a whole number of at least 1")
    return _digest(key), Tenant(name.partition(".")[0], max_streams)


def read_folder(folder: Path, max_streams: int | None) -> dict[bytes, Tenant]:
    """All keys of a folder by their digest. Raises ValueError and OSError."""
    files = [file for file in sorted(folder.iterdir()) if not file.name.startswith(".") and file.is_file()]
    keys: dict[bytes, Tenant] = {}
    for file in files:
        digest, tenant = read_key(file.name, file.read_text(), max_streams)
        if keys.setdefault(digest, tenant).name != tenant.name:
            raise ValueError(f"tenants {keys[digest].name} and {tenant.name} have the same key; give each its own")
    return keys


@dataclass
class Tenants:
    """The tenants of one server: who they are, and how many streams each has open here."""

    folder: Path
    max_streams: int | None = None
    _keys: dict[bytes, Tenant] = field(default_factory=dict)
    _stamp: int = 0
    _open: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Reads the keys for the first time. Raises ValueError or OSError with the remedy."""
        try:
            self._stamp = self.folder.stat().st_mtime_ns
            self._keys = read_folder(self.folder, self.max_streams)
        except ValueError as error:
            raise ValueError(f"TenantKeysInvalid: {self.folder}: {error}") from error
        if not self._keys:
            raise ValueError(
                f"TenantKeysMissing: {self.folder} holds no key; make the Secret of spec.tenants.keysSecretRef, one "
                "entry for each tenant, or give --tenants a folder with one file for each"
            )

    def refresh(self) -> None:
        """Reads the keys again when the folder has changed; what cannot be read leaves everything as it was."""
        try:
            stamp = self.folder.stat().st_mtime_ns
            if stamp == self._stamp:
                return
            self._keys = read_folder(self.folder, self.max_streams)
            self._stamp = stamp
            log.info("tenants read again", extra={"tenants": len(self.names)})
        except (ValueError, OSError) as error:
            log.warning("tenants stay as they were", extra={"reason": str(error)})

    @property
    def names(self) -> set[str]:
        """Every tenant that has a key."""
        return {tenant.name for tenant in self._keys.values()}

    def identify(self, key: str | None) -> Tenant | Refusal:
        """Whose key it is."""
        if key is None:
            return Refusal(401, "no_key", "a key is needed: X-API-Key, Authorization: Bearer, or api_key in the URL")
        tenant = self._keys.get(_digest(key))
        return tenant if tenant is not None else Refusal(401, "bad_key", "the key is not known here")

    def admit(self, key: str | None, retry_after: int) -> Tenant | Refusal:
        """Whose key it is, if the tenant may open one more stream now. Takes no place yet."""
        tenant = self.identify(key)
        return tenant if isinstance(tenant, Refusal) else self.refuse(tenant, retry_after) or tenant

    def refuse(self, tenant: Tenant, retry_after: int) -> Refusal | None:
        """Why the tenant may open no further stream now, or None."""
        if tenant.max_streams is None or self._open[tenant.name] < tenant.max_streams:
            return None
        told = f"{tenant.name} has {self._open[tenant.name]} streams open here, as many as it may; close one"
        return Refusal(429, "tenant_full", told, retry_after)

    def count(self, tenant: Tenant, change: int) -> None:
        """The tenant has one stream more (1) or less (-1)."""
        self._open[tenant.name] += change
        if not self._open[tenant.name]:
            del self._open[tenant.name]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
