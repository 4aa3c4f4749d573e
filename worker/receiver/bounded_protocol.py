"""HTTP whose request heads must come in time and stay small: uvicorn's own waits for ever."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_TIMEOUT_S = 10.0
MAX_HEAD_BYTES = 16 * 1024

# uvicorn warns of each request that is no HTTP, or one too many: strangers could fill a disk.
errors = logging.getLogger("uvicorn.error.http")
errors.setLevel(logging.ERROR)


class BoundedProtocol(H11Protocol):
    """Drops a connection that has not brought a whole request head in time."""

    _head_timer: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = errors

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Wait no longer once the head is whole; begin again with the next request's first byte."""
        if self._is_between_requests():
            # h11 bounds a head that is not whole yet, and only that: it must not see all of one.
            room = max(1, MAX_HEAD_BYTES + 1 - len(self.conn.trailing_data[0]))
            first, data = data[:room], data[room:]
            super().data_received(first)
        if data and not self.transport.is_closing():
            super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer with the connection."""
        self._unwatch()
        super().connection_lost(exc)

    def _is_between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        if not self._is_between_requests():
            self._unwatch()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.abort)

    def _unwatch(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
