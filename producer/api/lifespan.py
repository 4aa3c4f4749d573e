"""The lifespan of the API: it reads job changes and shows that it runs until the server stops."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from types import FrameType
from typing import Any

from fastapi import FastAPI

from ...store.deployment.processes import Heartbeat, beating
from .changes import Changes

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def build_lifespan(
    changes: Changes, heartbeat: Heartbeat, storage_id: str
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return the lifespan of an app whose endpoints listen to the changes."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with changes.reading(), beating(heartbeat, storage_id):
            with _on_stop_signal(changes.close):
                yield

    return lifespan


@contextmanager
def _on_stop_signal(act: Callable[[], None]) -> Iterator[None]:
    """Call `act` as soon as the server gets a stop signal.

    The server shuts the app down only after all responses have ended, and an open stream never
    ends by itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    previous: dict[int, Any] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)
        if callable(previous[number]):
            previous[number](number, frame)

    for each in STOP_SIGNALS:
        previous[each] = signal.signal(each, stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
