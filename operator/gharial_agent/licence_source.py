"""The licence files in the pool's Secrets, read seldom while all is well and often while a card waits for one."""

import base64
import logging
from collections.abc import Sequence

from gharial_api import names
from gharial_kube.client import Kube, KubeError

log = logging.getLogger(__name__)

CALM_SECONDS = 60.0
ANXIOUS_SECONDS = 10.0


class LicenceSource:
    """Reads Secrets of the operator's namespace by name; it can neither list nor watch them."""

    def __init__(self, kube: Kube, namespace: str = names.SYSTEM_NAMESPACE) -> None:
        self._kube = kube
        self._namespace = namespace
        self._wanted: tuple[str, ...] = ()
        self._documents: tuple[bytes, ...] | None = None
        self._due = 0.0
        self.missing_secrets: tuple[str, ...] = ()

    def documents(self, secrets: Sequence[str], now: float, anxious: bool) -> Sequence[bytes] | None:
        """All licence files; None until they could be read for the first time. now: seconds since 1970."""
        wanted = tuple(sorted(secrets))
        if wanted != self._wanted:
            self._wanted, self._due = wanted, 0.0
        if anxious:
            self._due = min(self._due, now + ANXIOUS_SECONDS)
        if now >= self._due:
            self._read(now)
        return self._documents

    def _read(self, now: float) -> None:
        self._due = now + CALM_SECONDS
        found: list[bytes] = []
        missing = []
        for name in self._wanted:
            try:
                secret = self._kube.get(f"/api/v1/namespaces/{self._namespace}/secrets/{name}")
            except KubeError as error:
                if error.status != 404:
                    log.warning("licences: Secret %s cannot be read: %s", name, error)
                    self._due = now + ANXIOUS_SECONDS
                    return  # what was read before still counts
                missing.append(name)
            else:
                found += [base64.b64decode(value) for value in (secret.get("data") or {}).values()]
        self.missing_secrets = tuple(missing)
        self._documents = tuple(found)
