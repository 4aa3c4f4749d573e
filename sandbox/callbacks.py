"""Delivery of callbacks: the attempts, the waits between them, and their faults."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import requests

from .clock import Clock
from .ledger import Ledger
from .tasks import Task, new_id

TIMEOUT_S = 15
"""Real seconds, as kie documents, that a receiver has; the sandbox clock does not change them."""
_THREADS = 64


class CallbackRules(ABC):
    """How an API makes its callbacks."""

    retry_waits_s: ClassVar[Sequence[float]]
    """The waits after each failed attempt, in sandbox seconds."""

    @abstractmethod
    def build_callback_body(self, task: Task, task_id: str) -> dict[str, object]:
        """Return the report on a finished task; a fault may replace its `task_id`."""

    @abstractmethod
    def build_callback_headers(self, task_id: str) -> dict[str, str]:
        """Return the headers of a callback: its signature, if the API signs."""

    @abstractmethod
    def is_delivered(self, status: int) -> bool:
        """Return whether an HTTP status means that the callback arrived."""


class CallbackSender:
    """Delivers callbacks in the background until it is closed."""

    def __init__(self, clock: Clock, ledger: Ledger) -> None:
        self._clock = clock
        self._ledger = ledger
        self._threads = ThreadPoolExecutor(_THREADS, "callback")
        self._deliveries: set[asyncio.Task[None]] = set()

    async def schedule(self, task: Task, rules: CallbackRules) -> None:
        """Schedule a task's callback; an early one is sent before this returns."""
        faults = task.faults
        if not task.order.callback_url or faults.callback_none or faults.stuck:
            return
        full: Sequence[float] = (0, *rules.retry_waits_s)
        first = full
        if faults.callback_early:
            first = () if await self._send(task, rules) else rules.retry_waits_s
        second = full if faults.callback_twice else ()
        delivery = asyncio.create_task(self._deliver(task, rules, first, second))
        # The loop keeps only a weak reference to a task.
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)

    async def _deliver(
        self, task: Task, rules: CallbackRules, *deliveries: Sequence[float]
    ) -> None:
        """Wait for the end, then make each delivery: attempts with waits until one arrives."""
        await self._clock.sleep_until(task.ends_at + task.faults.callback_late_s)
        for waits in deliveries:
            for wait_s in waits:
                await self._clock.sleep(wait_s)
                if await self._send(task, rules):
                    break

    async def _send(self, task: Task, rules: CallbackRules) -> bool:
        task_id = new_id() if task.faults.task_mismatch else task.task_id
        post = _build_post(
            str(task.order.callback_url),
            rules.build_callback_body(task, task_id),
            rules.build_callback_headers(task_id),
        )
        counts = self._ledger.counts_of(task.provider)
        counts.callbacks_sent += 1
        status = await asyncio.get_running_loop().run_in_executor(self._threads, post)
        delivered = status is not None and rules.is_delivered(status)
        if delivered:
            counts.callbacks_delivered += 1
        else:
            counts.callbacks_failed += 1
        return delivered

    def close(self) -> None:
        """Cancel all callbacks; a thread that is sending one goes on."""
        for delivery in self._deliveries:
            delivery.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _build_post(
    url: str, body: dict[str, object], headers: dict[str, str]
) -> Callable[[], int | None]:
    """Return a function that sends one callback and returns the HTTP status, if there is one."""

    def post() -> int | None:
        with requests.Session() as session:
            # The receiver is local: a proxy from the environment would lose the callback.
            session.trust_env = False
            try:
                response = session.post(
                    url, json=body, headers=headers, timeout=TIMEOUT_S, allow_redirects=False
                )
            except requests.RequestException:
                return None
            return response.status_code

    return post
