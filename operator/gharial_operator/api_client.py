"""A small asynchronous client of the API server: requests, lists, and errors with their reason.

Every call is one HTTP request on a shared session, logged in as `login.py` finds.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any

import aiohttp
from gharial_api.base import JsonObject

from gharial_operator.kinds import Kind
from gharial_operator.login import log_in

#: A request that takes longer is given up and tried again by whoever asked.
REQUEST_SECONDS = 30
#: A list is read in pages of this many objects, to bound memory on both sides.
PAGE = 200
#: By which the API server tells our requests from others.
USER_AGENT = "gharial-operator"
#: A watch is read in pieces of up to this many bytes.
_PIECE = 1 << 16


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


class ApiClient:
    """Talks to one API server as one user."""

    def __init__(self) -> None:
        self._login = log_in()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "ApiClient":
        tls = await asyncio.to_thread(self._login.as_ssl_context)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, limit=64),
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
        headers, data = {}, None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = content_type
        async with self._send(method, path, data=data, headers=headers, params=params) as response:
            answer: JsonObject = await _json(response)
            self._check(response.status, answer)
            return answer

    async def lines(self, path: str, params: dict[str, str], silence: float) -> AsyncIterator[bytes]:
        """The lines of an answer that is written bit by bit, until it ends.

        Raises what `request` raises, and TimeoutError after so many seconds without a byte.
        """
        timeout = aiohttp.ClientTimeout(sock_connect=REQUEST_SECONDS, sock_read=silence)
        async with self._send("GET", path, params=params, timeout=timeout) as response:
            if response.status >= 400:
                self._check(response.status, await _json(response))
            rest = b""
            async for piece in response.content.iter_chunked(_PIECE):
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    if line:
                        yield line

    def _send(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> "aiohttp.client._RequestContextManager":
        if self._session is None:
            raise RuntimeError("the client is used outside its `async with` block")
        words = {"Accept": "application/json", "User-Agent": USER_AGENT, **self._login.as_http_headers()}
        url = self._login.server.rstrip("/") + path
        return self._session.request(method, url, headers=words | (headers or {}), **options)

    def _check(self, status: int, answer: JsonObject) -> None:
        """Raises ApiError when the API server said no."""
        if status == 401:
            self._login = log_in()  # a service account's token is renewed on disk
        if status >= 400:
            raise ApiError(status, str(answer.get("reason", "")), str(answer.get("message", "")))

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> JsonObject | None:
        """One object, or None where there is none."""
        try:
            return await self.request("GET", kind.path(name, namespace))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def list(
        self, kind: Kind, namespace: str | None = None, selector: str = "", fields: str = ""
    ) -> list[JsonObject]:
        """All objects of a kind, none where the cluster has no such API.

        selector: of labels; fields: of fields, such as `spec.nodeName=node-a`.
        """
        return [item async for page in self.pages(kind, namespace, selector, fields) for item in page]

    async def pages(
        self, kind: Kind, namespace: str | None = None, selector: str = "", fields: str = ""
    ) -> AsyncIterator[Sequence[JsonObject]]:
        """The same page by page, for collections of which only a sum is wanted."""
        try:
            async for answer in self.answers(kind, namespace, selector, fields):
                yield answer.get("items") or []
        except ApiError as error:
            if error.status != 404:
                raise

    async def answers(
        self, kind: Kind, namespace: str | None = None, selector: str = "", fields: str = ""
    ) -> AsyncIterator[JsonObject]:
        """The same as the API server says it, with the list's metadata; ApiError 404 for an API that is missing."""
        params = {"limit": str(PAGE)}
        if selector:
            params["labelSelector"] = selector
        if fields:
            params["fieldSelector"] = fields
        while True:
            answer = await self.request("GET", kind.path("", namespace), params=params)
            yield answer
            token = answer.get("metadata", {}).get("continue")
            if not token:
                return
            params["continue"] = token


async def _json(response: aiohttp.ClientResponse) -> JsonObject:
    """The body as an object, whatever the server sent."""
    text = await response.text()
    try:
        answer = json.loads(text) if text else {}
    except ValueError:
        return {"message": text[:1000]}
    return answer if isinstance(answer, dict) else {"message": text[:1000]}
