"""Dispatch the callback tasks of stored callbacks, soon and in the background."""

from __future__ import annotations

import asyncio

from ...config.queues import Queue
from ...store.clock import RedisClock
from ...store.due.dispatcher import Dispatcher

# Each round runs in a thread that competes with the responses, so a burst gets few rounds.
DISPATCH_EVERY_S = 0.05


class CallbackDispatcher:
    """Dispatches each job once a round, however many of its callbacks arrived.

    It runs after the response, because a slow broker must not keep a sender waiting. It only keeps
    idle workers busy: the sweep dispatches the rest, in order.
    """

    def __init__(self, dispatcher: Dispatcher, clock: RedisClock) -> None:
        self._clock = clock
        self._dispatcher = dispatcher
        self._job_ids: dict[str, None] = {}
        self._sender: asyncio.Task[None] | None = None

    def add(self, job_id: str) -> None:
        """Dispatch a job with the next round."""
        self._job_ids[job_id] = None
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all())

    async def _send_all(self) -> None:
        try:
            while self._job_ids:
                job_ids, self._job_ids = list(self._job_ids), {}
                now = self._clock.estimate()
                await asyncio.to_thread(self._dispatcher.dispatch, Queue.CALLBACK, job_ids, now)
                await asyncio.sleep(DISPATCH_EVERY_S)
        finally:
            self._sender = None
