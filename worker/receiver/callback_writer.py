"""Write callbacks to Redis, many in one round trip."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, NamedTuple

import redis.asyncio
from redis.exceptions import RedisError

from ...config.logging import get_logger
from ...config.redis import BRIEF_S
from ...config.waits import Waits
from ...jobs.callback import Callback
from ...store.callbacks import STORE_CALLBACKS, StoreCall, build_store_call
from ...store.probe import check_writes

log = get_logger(__name__)

# One script call: large enough for a burst, small enough not to block Redis.
MAX_BATCH = 64
MAX_BATCH_BYTES = 4 * 1024 * 1024
# Beyond this Redis no longer keeps up, and the senders' own retries are the better queue.
MAX_WAITING = 2000
# After Redis was silent until its deadline, callbacks are refused at once for so long.
SILENT_S = 1.0


class CallbackNotStoredError(Exception):
    """The callback could not be stored; its sender has to send it again."""


class _Waiting(NamedTuple):
    job_id: str
    callback: Callback
    is_stored: asyncio.Future[bool]


class CallbackWriter:
    """Stores callbacks; those that arrive during a write are batched into the next one."""

    def __init__(self, client: redis.asyncio.Redis, waits: Waits | None = None) -> None:
        self._redis = client
        self._waits = waits
        self._store_batch: Any = client.register_script(STORE_CALLBACKS)
        self._waiting: deque[_Waiting] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._silent_until = 0.0

    async def store(self, job_id: str, callback: Callback) -> None:
        """Return once the callback is stored; raises CallbackNotStoredError."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._silent_until or len(self._waiting) >= MAX_WAITING:
            raise CallbackNotStoredError
        is_stored = loop.create_future()
        self._waiting.append(_Waiting(job_id, callback, is_stored))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        if not await is_stored:
            raise CallbackNotStoredError

    async def check(self) -> None:
        """Return if callbacks can be stored; raises CallbackNotStoredError."""
        try:
            await check_writes(self._redis)
        except RedisError as error:
            raise CallbackNotStoredError from error

    async def _write_all(self) -> None:
        try:
            while batch := self._next_batch():
                results = await self._write_batch(batch)
                for waiting, is_stored in zip(batch, results, strict=True):
                    _set_result(waiting, is_stored=bool(is_stored))
        finally:
            self._writer = None

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < MAX_BATCH and size < MAX_BATCH_BYTES:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].callback.body)
        return batch

    async def _write_batch(self, batch: list[_Waiting]) -> list[int]:
        """Return 1 for each callback of the batch that Redis stored, else 0."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            call = build_store_call([(each.job_id, each.callback) for each in batch])
            results = await self._run(call)
        except Exception as error:  # whatever it is, the senders wait for an answer
            log.error("callbacks_not_stored", count=len(batch), error=type(error).__name__)
            if loop.time() - started >= BRIEF_S:
                self._silent_until = loop.time() + SILENT_S
                self._refuse_waiting()
            return [0] * len(batch)
        return results

    async def _run(self, call: StoreCall) -> list[int]:
        commands = self._waits.list_commands(is_intent=False) if self._waits else []
        if not self._waits or not commands:
            stored: list[int] = await self._store_batch(*call)
            return stored
        # One pipeline, because a wait covers the writes of its own connection only.
        async with self._redis.pipeline(transaction=False) as pipe:
            await self._store_batch(*call, client=pipe)
            for command in commands:
                pipe.execute_command(*command)
            stored, *answers = await pipe.execute()
        if self._waits.are_confirmed(answers):
            return stored
        log.error("callbacks_not_confirmed", count=len(stored))
        return [0] * len(stored)

    def _refuse_waiting(self) -> None:
        """Refuse all that wait: batch after batch, they would wait longer than senders do."""
        while self._waiting:
            _set_result(self._waiting.popleft(), is_stored=False)


def _set_result(waiting: _Waiting, *, is_stored: bool) -> None:
    # A sender that hung up has cancelled its own future.
    if not waiting.is_stored.done():
        waiting.is_stored.set_result(is_stored)
