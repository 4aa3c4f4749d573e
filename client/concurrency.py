"""What asyncio and threads offer in different forms, under names that `make client` can swap."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

AsyncSlots = asyncio.Semaphore
Slots = threading.BoundedSemaphore
async_sleep = asyncio.sleep
sleep = time.sleep


class AsyncSignal:
    """Wakes up one task."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.set = self._event.set

    async def wait(self, timeout_s: float) -> bool:
        """Wait until it is set, and clear it; return False after the timeout."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), timeout_s)
        was_set = self._event.is_set()
        self._event.clear()
        return was_set


class Signal:
    """Wakes up one thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.set = self._event.set

    def wait(self, timeout_s: float) -> bool:
        """Wait until it is set, and clear it; return False after the timeout."""
        was_set = self._event.wait(timeout_s)
        self._event.clear()
        return was_set


class AsyncBackground:
    """Work beside the caller's, as a task."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._task = asyncio.create_task(work())

    def is_running(self) -> bool:
        """Return whether it still runs."""
        return not self._task.done()

    async def stop(self) -> None:
        """End it."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


class Background:
    """Work beside the caller's, as a thread that does not keep the process alive."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=work, name="imagequeue-events", daemon=True)
        self._thread.start()

    def is_running(self) -> bool:
        """Return whether it still runs; in a forked process, it does not."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Wait for its end."""
        self._thread.join()


def shut_down(response: httpx.Response) -> None:
    """End a response that another thread is reading, at once."""
    with suppress(OSError, KeyError):
        response.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)
