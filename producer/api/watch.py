"""One job, watched without a thread: read when it changed, instead of every so often."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import redis.asyncio

from ...errors import UnknownJobError
from ...jobs.job import Job
from ...store import keys
from ...store.codec import load
from ..client import reachable
from .changes import Changes

# Should a change ever go untold, it is seen this late.
READ_AGAIN_S = 15.0
# A change that thousands wait for must not open thousands of connections.
READS_AT_ONCE = 16


class Watch:
    """Reads jobs for those who wait for them."""

    def __init__(self, client: redis.asyncio.Redis, changes: Changes) -> None:
        self._redis = client
        self._changes = changes
        self._turn = asyncio.Semaphore(READS_AT_ONCE)

    async def get(self, job_id: str) -> Job:
        """The job as it is now; raises UnknownJobError or RedisUnavailableError."""
        with reachable():
            async with self._turn:
                record: Any = await self._redis.get(keys.record(job_id))
        if record is None:
            raise UnknownJobError(job_id)
        return load(record)

    async def versions(self, job_id: str, wait_s: float = math.inf) -> AsyncIterator[Job]:
        """The job now and after each change, until it rests; quick changes may come as one."""
        clock = asyncio.get_running_loop().time
        until = clock() + wait_s
        revision = ""
        with self._changes.watching(job_id) as changed:
            while True:
                changed.clear()
                job = await self.get(job_id)
                if job.revision != revision:
                    revision = job.revision
                    yield job
                left_s = until - clock()
                if job.is_finished or self._changes.closing or left_s <= 0:
                    return
                # Only this is ever cut short: a read of Redis may take its cancelling for its own.
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), min(left_s, READ_AGAIN_S))

    async def rested(self, job_id: str, wait_s: float) -> Job:
        """The job once it rests, or as it is after `wait_s`."""
        return [version async for version in self.versions(job_id, wait_s)][-1]
