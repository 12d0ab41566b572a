"""The only writer: everything the operator changes in the cluster goes through here, one countable write at a time.

Objects are written by server-side apply under the field manager gharial-operator: fields that others own stay theirs.
A child that already is as wanted costs no request.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from typing import Any

from gharial_api import names
from gharial_api.base import JsonObject

from gharial_operator.api_client import ApiClient, ApiError
from gharial_operator.kinds import EVENT, NODE, POD, Kind
from gharial_operator.metrics import WRITES
from gharial_operator.store import Store

log = logging.getLogger(__name__)

#: A test aid: the process dies, as if by SIGKILL, right after this many writes. Shows that any write may be the last.
DIE_AFTER_WRITES = "GHARIAL_OPERATOR_DIE_AFTER_WRITES"

_APPLY = "application/apply-patch+yaml"
#: Answers to a write whose object has gone meanwhile, or is a namesake made since.
_GONE = frozenset({404, 409})
_MERGE = "application/merge-patch+json"
_MERGE_PARAMS = {"fieldManager": names.OPERATOR_MANAGER}
_APPLY_PARAMS = {"fieldManager": names.OPERATOR_MANAGER, "force": "true"}


def fuse_from_environment() -> Callable[[], None]:
    """What is called after each write: ends the process when the test aid says so, else nothing."""
    if DIE_AFTER_WRITES not in os.environ:
        return lambda: None
    left = int(os.environ[DIE_AFTER_WRITES])

    def burn() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os._exit(137)

    return burn


class Writer:
    """Writes to the API server and counts.

    Args:
        client: the API server.
        after_write: called after each write.
        store: learns what came of each write.
    """

    def __init__(
        self, client: ApiClient, after_write: Callable[[], None] | None = None, store: Store | None = None
    ) -> None:
        self._client = client
        self._after_write = after_write or fuse_from_environment()
        self._store = store

    async def apply(self, kind: Kind, wanted: JsonObject, live: JsonObject | None) -> bool:
        """Brings one object to the wanted state; says whether a write was needed."""
        stamped = _stamp(wanted)
        if live is not None and not differs(stamped, live):
            return False
        meta = wanted["metadata"]
        await self._write("PATCH", kind.path(meta["name"], meta.get("namespace")), stamped)
        log.info("applied %s %s", kind.kind, meta["name"])
        return True

    async def apply_status(self, kind: Kind, name: str, namespace: str | None, status: JsonObject) -> None:
        """Writes the status subresource; an object that has gone meanwhile is nobody's error."""
        body = {**kind.head(name, namespace), "status": status}
        await self._write("PATCH", kind.path(name, namespace, "status"), body, harmless=_GONE)

    async def set_finalizer(self, kind: Kind, live: JsonObject, finalizer: str, present: bool) -> None:
        """Adds or removes our finalizer, unless it already is so."""
        meta = live["metadata"]
        if (finalizer in meta.get("finalizers", [])) == present:
            return
        body = kind.head(meta["name"], meta.get("namespace"))
        # The uid keeps the apply from making the object anew after somebody else removed it.
        body["metadata"] |= {"uid": meta["uid"], "finalizers": [finalizer] if present else []}
        await self._write("PATCH", kind.path(meta["name"], meta.get("namespace")), body, harmless=_GONE)

    async def delete(self, kind: Kind, live: JsonObject) -> None:
        """Deletes exactly this object, not a namesake made since; waits for nothing."""
        meta = live["metadata"]
        if meta.get("deletionTimestamp"):
            return
        body = {"preconditions": {"uid": meta["uid"]}, "propagationPolicy": "Background"}
        answer = await self._write("DELETE", kind.path(meta["name"], meta.get("namespace")), body, harmless=_GONE)
        if self._store is not None and answer.get("kind") == "Status":
            self._store.forget(kind, meta["name"], meta.get("namespace"), meta["uid"])
        log.info("deleted %s %s", kind.kind, meta["name"])

    async def tell(self, event: JsonObject) -> None:
        """Makes an event. One that was told before, or whose namespace is being deleted, is no reason to stop."""
        path = EVENT.path("", event["metadata"]["namespace"])
        await self._write("POST", path, event, harmless=frozenset({403, 404, 409}))

    async def patch_node(self, name: str, patch: JsonObject, resource_version: str = "") -> None:
        """Changes a few fields of a Node that also others write, and no others.

        With a resource version the write is refused (409) when anything has changed since that look.
        """
        guard = {"resourceVersion": resource_version} if resource_version else {}
        body = {**patch, "metadata": {**patch.get("metadata", {}), **guard}}
        await self._write("PATCH", NODE.path(name), body, content_type=_MERGE)
        log.info("patched Node %s: %s", name, json.dumps(patch))

    async def evict(self, namespace: str, name: str, uid: str) -> None:
        """Asks a pod to go; refused (429) while a disruption budget forbids it. A pod that has gone is no error."""
        head = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
        body = {**head, "deleteOptions": {"preconditions": {"uid": uid}}}
        await self._write("POST", POD.path(name, namespace, "eviction"), body, harmless=_GONE)
        log.info("evicted pod %s/%s", namespace, name)

    async def terminate(self, namespace: str, name: str, uid: str, grace_seconds: int) -> None:
        """Ends a pod, budgets or not, within so many seconds."""
        body = {"preconditions": {"uid": uid}, "gracePeriodSeconds": grace_seconds}
        await self._write("DELETE", POD.path(name, namespace), body, harmless=_GONE)
        log.info("terminated pod %s/%s", namespace, name)

    async def _write(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        harmless: frozenset[int] = frozenset(),
        content_type: str = _APPLY,
    ) -> JsonObject:
        """One write; returns the answer, which is empty for a harmless refusal."""
        patch = method == "PATCH"
        params = (_APPLY_PARAMS if content_type == _APPLY else _MERGE_PARAMS) if patch else None
        content = content_type if patch else "application/json"
        try:
            answer = await self._client.request(method, path, body=body, params=params, content_type=content)
        except ApiError as error:
            if error.status not in harmless:
                raise
            return {}
        WRITES.labels(method).inc()
        self._after_write()
        if self._store is not None and method != "DELETE":
            self._store.note(answer)
        return answer


def _stamp(wanted: JsonObject) -> JsonObject:
    """The object with a digest of itself, by which a field that we no longer want is noticed."""
    digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]
    meta = wanted["metadata"]
    annotations = {**meta.get("annotations", {}), names.APPLIED_ANNOTATION: digest}
    return {**wanted, "metadata": {**meta, "annotations": annotations}}


def differs(wanted: Any, live: Any) -> bool:
    """Whether anything wanted is missing or different in the live object; what others added does not count."""
    if isinstance(wanted, dict):
        return not isinstance(live, dict) or any(
            (key not in live and value not in ({}, [], None)) or (key in live and differs(value, live[key]))
            for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        if not isinstance(live, list) or len(wanted) != len(live):
            return True
        return any(differs(a, b) for a, b in zip(wanted, live, strict=True))
    return bool(wanted != live)
