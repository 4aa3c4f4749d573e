"""Dispatch in the background: who submits a job waits for its record, not for the broker."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Lock
from typing import Protocol

from ...config.queues import Queue


class Dispatches(Protocol):
    """Sends messages for due jobs, at once or soon."""

    def dispatch(self, queue: Queue, job_ids: list[str], now: datetime) -> None:
        """Send them as far as the queue has room; a sweep does the rest."""


class BackgroundDispatcher:
    """Dispatches due jobs in one thread; those of calls that come meanwhile go together.

    The due set has every job: if the process is killed first, a sweep dispatches them. A process
    that ends waits for the thread.
    """

    def __init__(self, dispatcher: Dispatches) -> None:
        self._dispatcher = dispatcher
        self._thread = ThreadPoolExecutor(1, "imagequeue-dispatch")
        self._lock = Lock()
        self._pending: defaultdict[Queue, list[str]] = defaultdict(list)
        self._now = datetime.min.replace(tzinfo=UTC)

    def dispatch(self, queue: Queue, job_ids: list[str], now: datetime) -> None:
        """Send messages for due jobs soon, as far as their queue has room."""
        with self._lock:
            is_first = not self._pending
            self._pending[queue] += job_ids
            self._now = max(self._now, now)
        if is_first:
            self._thread.submit(self._dispatch_pending)

    def _dispatch_pending(self) -> None:
        with self._lock:
            pending, self._pending = self._pending, defaultdict(list)
            now = self._now
        for queue, job_ids in pending.items():
            self._dispatcher.dispatch(queue, job_ids, now)
