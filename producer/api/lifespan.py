"""What the API does from its start to its end: it follows the changes of all jobs."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from types import FrameType
from typing import Any

from fastapi import FastAPI

from .changes import Changes

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def following(changes: Changes) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """The lifespan of an app whose endpoints listen to the changes."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with changes.reading():
            with _at_stop(changes.close):
                yield

    return lifespan


@contextmanager
def _at_stop(act: Callable[[], None]) -> Iterator[None]:
    """Act as soon as the server is told to stop.

    It tells the app itself only once all answers have ended, and an open stream never would.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    former: dict[int, Any] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)
        if callable(former[number]):
            former[number](number, frame)

    for each in STOP_SIGNALS:
        former[each] = signal.signal(each, stop)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
