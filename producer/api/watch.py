"""Watch a job without a thread: its record is read when it changes, not at intervals."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import redis.asyncio
from starlette.requests import Request

from ...config.redis import reachable
from ...jobs.ids import is_job_id
from ...jobs.job import Job
from ...store import keys
from ...store.codec import load_visible, reading
from .changes import Changes

# The record is read this often even without a change, in case one was missed.
READ_AGAIN_S = 15.0
# One change that thousands wait for must not open thousands of connections.
MAX_CONCURRENT_READS = 16


class Watch:
    """Reads jobs for requests that wait for them."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        changes: Changes,
        images_url: str,
        get_anywhere: Callable[..., Job],
    ) -> None:
        self._redis = client
        self._get_anywhere = get_anywhere
        self._images_url = images_url
        self._changes = changes
        self._semaphore = asyncio.Semaphore(MAX_CONCURRENT_READS)

    async def get(self, job_id: str, submitted_by: str | None = None) -> Job:
        """Return the current job; raises what `LocalClient.get` raises.

        With `submitted_by`, the jobs of other callers are unknown.
        """
        record: Any = None
        if is_job_id(job_id):
            with reachable(), reading(job_id):
                async with self._semaphore:
                    record = await self._redis.get(keys.record(job_id))
        if record is None:
            return await asyncio.to_thread(self._get_anywhere, job_id, submitted_by=submitted_by)
        return load_visible(job_id, record, submitted_by, self._images_url)

    async def iter_versions(
        self,
        job_id: str,
        wait_s: float = math.inf,
        submitted_by: str | None = None,
        hung_up: asyncio.Task[None] | None = None,
    ) -> AsyncIterator[Job]:
        """Yield the job now and after each change until it is finished or the caller hung up.

        Changes in quick succession may come as one.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + wait_s
        revision = ""
        with self._changes.watching(job_id) as changed:
            if hung_up:
                hung_up.add_done_callback(lambda _: changed.set())
            while True:
                changed.clear()
                job = await self.get(job_id, submitted_by)
                if job.revision != revision:
                    revision = job.revision
                    yield job
                left_s = until - clock()
                if job.is_finished or self._changes.closing or left_s <= 0:
                    return
                if hung_up and hung_up.done():
                    return
                # Only this may time out: redis-py could take a cancellation for its own timeout.
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), min(left_s, READ_AGAIN_S))

    async def wait_until_finished(
        self, job_id: str, wait_s: float, submitted_by: str | None, hung_up: asyncio.Task[None]
    ) -> Job:
        """Return the job once it is finished, or its current version after `wait_s`."""
        versions = self.iter_versions(job_id, wait_s, submitted_by, hung_up)
        return [version async for version in versions][-1]


async def wait_for_disconnect(request: Request) -> None:
    """Return once the caller has hung up; its body has been read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
