"""HTTP whose request heads must be small and complete in time, on a bounded number of connections.

uvicorn waits for a request head without limit, and has no setting to change that. So its protocol
is extended here. It relies on attributes that uvicorn does not document: `conn` (h11's connection),
`connections`, `limit_concurrency`, `cycle`, `transport`, `loop`, `app_state` and `logger` of
H11Protocol, and `response_complete` of its cycle.
pyproject.toml therefore pins uvicorn to the minor version that the tests ran with.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SERVER_END = "imagequeue_server_end"
"""The name of the server's socket in the state of a request."""
HEAD_TIMEOUT_S = 10.0
MAX_HEAD_BYTES = 16 * 1024

# uvicorn warns of each malformed or excess request, with which strangers could fill a disk.
error_log = logging.getLogger("uvicorn.error.http")
error_log.setLevel(logging.ERROR)


class BoundedProtocol(H11Protocol):
    """Drops a connection that has not sent a complete request head in time."""

    _head_timer: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = error_log

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer for the first head, or hang up on an excess connection."""
        self.app_state = {**self.app_state, SERVER_END: transport.get_extra_info("socket")}
        super().connection_made(transport)
        # Above the limit, uvicorn answers 503 only once a head has arrived: some wait for that.
        limit: int | None = self.limit_concurrency
        if limit is not None and len(self.connections) > limit + limit // 4 + 4:
            transport.abort()
        self._update_timer()

    def data_received(self, data: bytes) -> None:
        """Stop the timer once the head is complete; restart it with the next request."""
        if self._is_between_requests():
            # h11 limits the size of an incomplete head only, so it must not get a large one whole.
            room = max(1, MAX_HEAD_BYTES + 1 - len(self.conn.trailing_data[0]))
            first, data = data[:room], data[room:]
            super().data_received(first)
        if data and not self.transport.is_closing():
            super().data_received(data)
        self._update_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer with the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def _is_between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _update_timer(self) -> None:
        if not self._is_between_requests():
            self._stop_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
