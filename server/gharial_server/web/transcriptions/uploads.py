"""Bodies of requests, read up to a limit and never for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.types import Message

from gharial_server.web.transcriptions.errors import ApiError

# How long a body may take to come, in seconds.
UPLOAD_SECONDS = 120.0
# The form around a file: names, borders, small fields.
_FORM_BYTES = 256 * 1024
_MAX_FIELDS = 32
# A client hears why it was refused only when what it sends is read; so much of it is, for so long.
_DISCARD_BYTES = 64 << 20
_DISCARD_SECONDS = 5.0


@asynccontextmanager
async def read_form(request: Request, most_bytes: int) -> AsyncIterator[FormData]:
    """The form of a request, its file on disk; gone afterwards. Raises ApiError."""
    left = most_bytes + _FORM_BYTES

    async def receive() -> Message:
        nonlocal left
        message = await request.receive()
        left -= len(message.get("body", b""))
        if left < 0:
            told = f"the upload is larger than {most_bytes >> 20} MiB; cut it, or compress it (Opus, FLAC)"
            raise ApiError(413, "file_too_large", told, "file")
        return message

    if not request.headers.get("Content-Type", "").lower().startswith("multipart/form-data"):
        raise ApiError(400, "invalid_content_type", "send the request as multipart/form-data")
    limited = Request(request.scope, receive)
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            form = await limited.form(max_files=1, max_fields=_MAX_FIELDS, max_part_size=64 * 1024)
    except TimeoutError as error:
        message = f"the upload took longer than {UPLOAD_SECONDS:.0f} s; try again"
        raise ApiError(408, "upload_too_slow", message, "file") from error
    except HTTPException as error:
        raise ApiError(400, "invalid_form", f"the form cannot be read: {error.detail}") from error
    try:
        yield form
    finally:
        await form.close()


async def discard_body(request: Request) -> None:
    """Reads what a refused client is still sending, within bounds."""
    read = 0
    try:
        async with asyncio.timeout(_DISCARD_SECONDS):
            while read < _DISCARD_BYTES:
                message = await request.receive()
                read += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
