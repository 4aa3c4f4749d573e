"""The limits on a request's body, enforced while it arrives: its size, and its time.

Starlette's own limit answers in plain text; every error of this API is a problem document.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BYTES = 1024 * 1024
MAX_BATCH_BYTES = 32 * 1024 * 1024
# For each megabyte, the first one included: a large batch may take longer, a slow sender may not.
BODY_TIMEOUT_S = 10.0


def is_form(scope: Scope) -> bool:
    """Return whether the body of a request is a multipart form."""
    content_type = Headers(scope=scope).get("content-type", "")
    return content_type.lower().startswith("multipart/form-data")


class BodyLimit:
    """Refuses a slow or encoded body, and one above `max_bytes` or that of its path.

    `max_form_bytes_of` has the paths that take more as a form.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_bytes: int,
        max_bytes_of: Mapping[str, int],
        max_form_bytes_of: Mapping[str, int],
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_bytes_of = max_bytes_of
        self._max_form_bytes_of = max_form_bytes_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app with a `receive` that counts the body."""
        if scope["type"] == "http":
            max_bytes = self._max_bytes_of.get(scope["path"], self._max_bytes)
            if is_form(scope):
                max_bytes = self._max_form_bytes_of.get(scope["path"], max_bytes)
            encoding = Headers(scope=scope).get("content-encoding", "identity")
            receive = _Body(receive, max_bytes, encoding).receive
        await self._app(scope, receive, send)


class _Body:
    """A body that arrives in parts."""

    def __init__(self, receive: Receive, max_bytes: int, encoding: str) -> None:
        self._receive = receive
        self._encoding = encoding
        self._max_bytes = max_bytes
        self._received = 0
        self._started = asyncio.get_running_loop().time()
        self._is_complete = False

    async def receive(self) -> Message:
        """Return the next message; raises HTTPException 400, 408 or 413."""
        if self._is_complete:  # what follows is only the end of the connection
            return await self._receive()
        megabytes = 1 + self._received // MAX_BYTES
        try:
            async with asyncio.timeout_at(self._started + BODY_TIMEOUT_S * megabytes):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(
                408, f"the body may take {BODY_TIMEOUT_S:g} s for each megabyte: send it faster"
            ) from None
        self._received += len(message.get("body", b""))
        if self._received and self._encoding.lower() != "identity":
            raise HTTPException(400, "send the body without a Content-Encoding")
        self._is_complete = not message.get("more_body", False)
        if self._received > self._max_bytes:
            raise HTTPException(
                413, f"the body may have {self._max_bytes} bytes: send less at a time"
            )
        return message
