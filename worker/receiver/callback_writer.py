"""Intake: callbacks on their way into Redis, many in one round trip, their readers hinted after."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, NamedTuple

import redis.asyncio
from redis.exceptions import RedisError

from ...config.logging import get_logger
from ...config.queues import Queue
from ...config.redis import BRIEF_S
from ...jobs.callback import Callback
from ...jobs.job import utc_now
from ...store import keys
from ...store.callbacks import KEEP, keep_call
from ...store.wakeups import WakeUps

log = get_logger(__name__)

# One script call: long enough to carry a burst, short enough not to hold up Redis.
MAX_AT_ONCE = 64
MAX_BYTES_AT_ONCE = 4 * 1024 * 1024
# Beyond this Redis is no longer keeping up, and the senders' own retries are the better queue.
MAX_WAITING = 2000
# After a Redis that was silent until its deadline, nobody waits for it again for so long.
SILENT_S = 1.0
# Between two rounds of hints, whose thread takes turns with the answers: a burst needs few.
HINT_EVERY_S = 0.05


class CallbackNotStoredError(Exception):
    """The callback could not be kept; its sender has to come again."""


class _Waiting(NamedTuple):
    job_id: str
    callback: Callback
    kept: asyncio.Future[bool]


class CallbackWriter:
    """Keeps callbacks: those that come while others are being written go together, next."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client
        self._keep: Any = client.register_script(KEEP)
        self._waiting: deque[_Waiting] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._silent_until = 0.0

    async def keep(self, job_id: str, callback: Callback) -> None:
        """Return once the callback is kept; raises CallbackNotStoredError."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._silent_until or len(self._waiting) >= MAX_WAITING:
            raise CallbackNotStoredError
        kept = loop.create_future()
        self._waiting.append(_Waiting(job_id, callback, kept))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        if not await kept:
            raise CallbackNotStoredError

    async def check(self) -> None:
        """Return if callbacks can be kept; raises CallbackNotStoredError."""
        try:
            # Written, because a Redis that is full, or a replica by now, still answers a ping.
            await self._redis.set(keys.PROBE, 1, px=1000)
        except RedisError as error:
            raise CallbackNotStoredError from error

    async def _write(self) -> None:
        try:
            while batch := self._next_batch():
                answers = await self._written(batch)
                for waiting, kept in zip(batch, answers, strict=True):
                    # A sender that hung up has cancelled its own.
                    if not waiting.kept.done():
                        waiting.kept.set_result(bool(kept))
        finally:
            self._writer = None

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < MAX_AT_ONCE and size < MAX_BYTES_AT_ONCE:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].callback.body)
        return batch

    async def _written(self, batch: list[_Waiting]) -> list[int]:
        loop = asyncio.get_running_loop()
        started = loop.time()
        keys_and_args = keep_call([(each.job_id, each.callback) for each in batch])
        try:
            answers: list[int] = await self._keep(*keys_and_args)
        except RedisError as error:
            log.error("callbacks not kept", count=len(batch), error=type(error).__name__)
            if loop.time() - started >= BRIEF_S:
                self._silent_until = loop.time() + SILENT_S
                self._turn_away()
            return [0] * len(batch)
        return answers

    def _turn_away(self) -> None:
        """Answer all who wait: one after the other they would wait longer than senders do."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.kept.done():
                waiting.kept.set_result(False)


class Hints:
    """Hints the readers of what was kept: each job once, however many of its callbacks came.

    A hint is sent after the answer, because a slow broker must not cost a sender its patience; and
    only as far as it keeps idle workers busy, because the sweep brings the rest, in order.
    """

    def __init__(self, due: WakeUps) -> None:
        self._due = due
        self._job_ids: dict[str, None] = {}
        self._sender: asyncio.Task[None] | None = None

    def add(self, job_id: str) -> None:
        """Hint a job soon."""
        self._job_ids[job_id] = None
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())

    async def _send(self) -> None:
        try:
            while self._job_ids:
                job_ids, self._job_ids = list(self._job_ids), {}
                await asyncio.to_thread(self._due.dispatch, Queue.CALLBACK, job_ids, utc_now())
                await asyncio.sleep(HINT_EVERY_S)
        finally:
            self._sender = None
