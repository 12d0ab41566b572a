"""Tells changes that matter from heartbeats and from our own writes.

What is remembered here only saves work: an operator that starts afresh takes everything for changed.
"""

from typing import Any

import kopf


class Changes:
    """The last fingerprint of each object seen."""

    def __init__(self) -> None:
        self._seen: dict[str, Any] = {}

    def differ(self, body: kopf.Body, fingerprint: Any) -> bool:
        """Whether the fingerprint is another one than last time; an object that has gone always differs."""
        uid = body["metadata"]["uid"]
        if fingerprint is None:
            self._seen.pop(uid, None)
            return True
        changed: bool = self._seen.get(uid) != fingerprint
        self._seen[uid] = fingerprint
        return changed


def intent(body: kopf.Body, event: str | None) -> Any:
    """What people ask of an object, its status left out; None when the event says that it has gone."""
    if event == "DELETED":
        return None
    meta = body["metadata"]
    return meta.get("generation"), meta.get("deletionTimestamp"), tuple(meta.get("finalizers", []))
