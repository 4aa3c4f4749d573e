"""The limit on a request's body, enforced while it arrives.

Starlette's own limit answers in plain text; every error of this API is a problem document.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BYTES = 1024 * 1024
MAX_BATCH_BYTES = 32 * 1024 * 1024


class BodyLimit:
    """Refuses a body above `max_bytes`, or above its path's limit in `max_bytes_of`."""

    def __init__(self, app: ASGIApp, max_bytes: int, max_bytes_of: Mapping[str, int]) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_bytes_of = max_bytes_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app with a `receive` that counts the body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        max_bytes = self._max_bytes_of.get(scope["path"], self._max_bytes)
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > max_bytes:
                raise HTTPException(
                    413, f"the body may have {max_bytes} bytes: send less at a time"
                )
            return message

        await self._app(scope, receive_counted, send)
