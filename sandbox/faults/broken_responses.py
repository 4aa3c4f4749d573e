"""Responses that end too soon, and the HTTP protocol that lets a response hang up."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_HANG_UP = "imagequeue.sandbox.hang_up"


class HangUpProtocol(H11Protocol):
    """uvicorn's HTTP protocol with a way to close a connection, which ASGI lacks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        inner = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["extensions"] = {_HANG_UP: self.transport.close}
            await inner(scope, receive, send)

        self.app = app


class Dropped(Response):
    """No response at all: the connection closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hang up."""
        await _hang_up(scope, receive)


class Truncated(Response):
    """Half of the body, with the content-length of the whole."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head and half of the body, then hang up."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await _hang_up(scope, receive)


async def _hang_up(scope: Scope, receive: Receive) -> None:
    scope["extensions"][_HANG_UP]()
    # uvicorn must see the disconnect before the response ends, or it would log an error.
    while (await receive())["type"] != "http.disconnect":
        pass
