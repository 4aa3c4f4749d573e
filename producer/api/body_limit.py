"""How large a request may be: beyond that it is refused while it comes in."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BYTES = 1024 * 1024
MAX_BATCH_BYTES = 32 * 1024 * 1024


class BodyLimit:
    """Ends a request whose body is too large; some paths may have a bound of their own."""

    def __init__(self, app: ASGIApp, most: int, paths: Mapping[str, int]) -> None:
        self._app = app
        self._most = most
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, its body counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._paths.get(scope["path"], self._most)
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise HTTPException(413, f"the body may have {most} bytes: send less at a time")
            return message

        await self._app(scope, counted, send)
