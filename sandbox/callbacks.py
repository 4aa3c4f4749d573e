"""Carries callbacks: the tries, the waits between them, and the ways they go wrong."""

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
"""Real seconds that a receiver has to answer, as kie documents; the sandbox clock has no say."""
_THREADS = 64


class Sender(ABC):
    """A wire as its callbacks see it."""

    retry_waits_s: ClassVar[Sequence[float]]
    """The waits after each try that was not taken; sandbox seconds."""

    @abstractmethod
    def callback_body(self, task: Task, task_id: str) -> dict[str, object]:
        """Report an ended task; `task_id` is the id to name, right or wrong."""

    @abstractmethod
    def callback_headers(self, task_id: str) -> dict[str, str]:
        """Sign a callback, or do not."""

    @abstractmethod
    def taken(self, status: int) -> bool:
        """Say whether an HTTP status means that the callback arrived."""


class CallbackSender:
    """Delivers callbacks in the background until it is closed."""

    def __init__(self, clock: Clock, ledger: Ledger) -> None:
        self._clock = clock
        self._ledger = ledger
        self._threads = ThreadPoolExecutor(_THREADS, "callback")
        self._deliveries: set[asyncio.Task[None]] = set()

    async def arrange(self, task: Task, sender: Sender) -> None:
        """Plan a task's callback; an early one is sent before this returns."""
        faults = task.faults
        if not task.order.callback_url or faults.callback_none or faults.stuck:
            return
        full: Sequence[float] = (0, *sender.retry_waits_s)
        first = full
        if faults.callback_early:
            first = () if await self._try(task, sender) else sender.retry_waits_s
        second = full if faults.callback_twice else ()
        delivery = asyncio.create_task(self._deliver(task, sender, first, second))
        # The loop keeps only a weak reference to a task.
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)

    async def _deliver(self, task: Task, sender: Sender, *deliveries: Sequence[float]) -> None:
        """Wait for the end, then make each delivery: tries after its waits until one is taken."""
        await self._clock.sleep_until(task.ends_at + task.faults.callback_late_s)
        for waits in deliveries:
            for wait_s in waits:
                await self._clock.sleep(wait_s)
                if await self._try(task, sender):
                    break

    async def _try(self, task: Task, sender: Sender) -> bool:
        task_id = new_id() if task.faults.task_mismatch else task.task_id
        post = _post(
            str(task.order.callback_url),
            sender.callback_body(task, task_id),
            sender.callback_headers(task_id),
        )
        counts = self._ledger.of(task.provider)
        counts.callbacks_sent += 1
        status = await asyncio.get_running_loop().run_in_executor(self._threads, post)
        taken = status is not None and sender.taken(status)
        if taken:
            counts.callbacks_delivered += 1
        else:
            counts.callbacks_failed += 1
        return taken

    def close(self) -> None:
        """Give up all callbacks; one that is being sent is left to its thread."""
        for delivery in self._deliveries:
            delivery.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _post(url: str, body: dict[str, object], headers: dict[str, str]) -> Callable[[], int | None]:
    """Make the function that sends one callback and returns the HTTP status, if one came."""

    def post() -> int | None:
        with requests.Session() as session:
            # The receiver is next door: a proxy from the environment would only lose the callback.
            session.trust_env = False
            try:
                answer = session.post(
                    url, json=body, headers=headers, timeout=TIMEOUT_S, allow_redirects=False
                )
            except requests.RequestException:
                return None
            return answer.status_code

    return post
