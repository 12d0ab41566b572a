"""A small asynchronous client of the API server: requests, lists, and errors with their reason.

Every call is one HTTP request on a shared session. Credentials come from kopf's login functions: a service account in a
pod, a kubeconfig elsewhere.
"""

import asyncio
import dataclasses
import json
import os
from types import TracebackType
from typing import Any

import aiohttp
import kopf
from gharial_api.base import JsonObject

from gharial_operator.kinds import Kind

#: A request that takes longer is given up and tried again by whoever asked.
REQUEST_SECONDS = 30
#: A list is read in pages of this many objects, to bound memory on both sides.
PAGE = 500


class ApiError(Exception):
    """The API server said no."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def permanent(self) -> bool:
        """Whether the same request would be refused again: forbidden or invalid, not busy or conflicting."""
        return self.status in {400, 403, 405, 415, 422}


def credentials(settings: kopf.OperatorSettings) -> kopf.ConnectionInfo:
    """How to reach the API server; inside a cluster by address, so that cluster DNS may be down."""
    info = kopf.login_with_service_account(settings=settings)
    if info is not None:
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        if host:
            address = f"[{host}]" if ":" in host else host
            return dataclasses.replace(info, server=f"https://{address}:{port}")
        return info
    info = kopf.login_with_kubeconfig(settings=settings)
    if info is None:
        raise RuntimeError("no way to reach a cluster: run in a pod with a service account, or set KUBECONFIG")
    return info


class ApiClient:
    """Talks to one API server as one user."""

    def __init__(self, settings: kopf.OperatorSettings) -> None:
        self._settings = settings
        self._info = credentials(settings)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "ApiClient":
        context = await asyncio.to_thread(self._info.as_ssl_context)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=32),
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> JsonObject:
        """One request; raises ApiError for what the API server refuses and OSError or TimeoutError when it is away."""
        if self._session is None:
            raise RuntimeError("the client is used outside its `async with` block")
        headers = {"Accept": "application/json", **self._info.as_http_headers()}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = content_type
        url = self._info.server.rstrip("/") + path
        async with self._session.request(method, url, data=data, headers=headers, params=params) as response:
            answer: JsonObject = await _json(response)
            if response.status == 401:
                self._info = credentials(self._settings)  # a service account's token is renewed on disk
            if response.status >= 400:
                raise ApiError(response.status, str(answer.get("reason", "")), str(answer.get("message", "")))
            return answer

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> JsonObject | None:
        """One object, or None where there is none."""
        try:
            return await self.request("GET", kind.path(name, namespace))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def list(self, kind: Kind, namespace: str | None = None, selector: str = "") -> list[JsonObject]:
        """All objects of a kind, read page by page; none where the cluster has no such API."""
        items: list[JsonObject] = []
        params = {"limit": str(PAGE)}
        if selector:
            params["labelSelector"] = selector
        while True:
            try:
                answer = await self.request("GET", kind.path("", namespace), params=params)
            except ApiError as error:
                if error.status == 404:
                    return []
                raise
            items += answer.get("items", [])
            token = answer.get("metadata", {}).get("continue")
            if not token:
                return items
            params["continue"] = token


async def _json(response: aiohttp.ClientResponse) -> JsonObject:
    """The body as an object, whatever the server sent."""
    text = await response.text()
    try:
        answer = json.loads(text) if text else {}
    except ValueError:
        return {"message": text[:1000]}
    return answer if isinstance(answer, dict) else {"message": text[:1000]}
