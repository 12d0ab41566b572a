"""Errors as OpenAI's API tells them: one JSON object with message, type, param and code."""

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gharial_server.admission import Refusal

# Names a request to its client, and in the log.
NAME_HEADER = "X-Request-Id"
_TYPES = {401: "authentication_error", 429: "rate_limit_error", 503: "server_error", 500: "server_error"}


class ApiError(Exception):
    """A request that ends with an error. param: the field that is wrong; retry_after: seconds."""

    def __init__(
        self, status: int, code: str, message: str, param: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.retry_after = retry_after

    @classmethod
    def of(cls, refusal: Refusal) -> "ApiError":
        """What a stream is refused with, told in this shape."""
        code = "invalid_api_key" if refusal.status == 401 else refusal.reason
        return cls(refusal.status, code, refusal.message, retry_after=refusal.retry_after)

    @property
    def body(self) -> dict[str, object]:
        """The JSON object."""
        kind = _TYPES.get(self.status, "invalid_request_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


async def answer_api_error(request: Request, error: Exception) -> JSONResponse:
    """The HTTP answer to an ApiError."""
    assert isinstance(error, ApiError)
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if (name := getattr(request.state, "name", None)) is not None:
        headers[NAME_HEADER] = name
    return JSONResponse(error.body, status_code=error.status, headers=headers)


async def answer_http_error(request: Request, error: Exception) -> JSONResponse:
    """The HTTP answer to what the framework refuses: an unknown path, another method."""
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}; what there is stands at /docs"
    return await answer_api_error(request, ApiError(error.status_code, "unknown_url", message))


async def answer_failure(request: Request, error: Exception) -> JSONResponse:
    """The HTTP answer to what nobody expected; the log has the rest."""
    return await answer_api_error(request, ApiError(500, "internal_error", "the server failed; send it again"))
