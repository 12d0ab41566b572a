"""How the operator reads the cluster: from its store, or by requests to the API server."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from gharial_operator import kinds
from gharial_operator.api_client import ApiClient, ApiError
from gharial_operator.seen import Seen, View

T = TypeVar("T")


class Reads(Protocol):
    """What a snapshot is gathered from."""

    async def get(self, view: View[T], name: str, namespace: str | None = None) -> Seen[T] | None:
        """One object, or None where there is none."""

    async def list(
        self, view: View[T], namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Seen[T]]:
        """All objects of a kind with these labels for pool and model; none where the cluster has no such API."""

    async def optional_apis(self) -> frozenset[str]:
        """Kinds of the optional APIs that the cluster serves."""


class ApiReads:
    """Every read is a request: what it returns was so after it was asked."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def get(self, view: View[T], name: str, namespace: str | None = None) -> Seen[T] | None:
        """One object, or None where there is none."""
        live = await self._client.get(view.kind, name, namespace)
        return None if live is None else view.see(live)

    async def list(
        self, view: View[T], namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Seen[T]]:
        """All objects of a kind with these labels for pool and model; none where the cluster has no such API."""
        selector = ",".join(f"{key}={value}" for key, value in (labels or {}).items()) or view.label
        return [view.see(item) for item in await self._client.list(view.kind, namespace, selector)]

    async def optional_apis(self) -> frozenset[str]:
        """Kinds of the optional APIs that the cluster serves."""
        found = set()
        for kind in kinds.OPTIONAL:
            try:
                answer = await self._client.request("GET", kind.root)
            except ApiError as error:
                if error.status != 404:
                    raise
                continue
            if any(resource["kind"] == kind.kind for resource in answer.get("resources", [])):
                found.add(kind.kind)
        return frozenset(found)
