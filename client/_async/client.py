"""The client of the HTTP API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Self

from .. import calls
from ..config import find_target
from ..results import Batch, BatchPage, JobEvent, Provider, SubmittedJob
from .results import AsyncJob, AsyncPage, OnUpdate, attach
from .submits import WAIT_TIMEOUT_S, AsyncSubmits

if TYPE_CHECKING:
    import httpx

    from ...jobs.state import State
    from ..catalogue import OtherProvider, ProviderName, StateName

JobRef = str | AsyncJob | SubmittedJob
"""A job, or its id."""
TIMEOUT_S = 60.0


class AsyncClient(AsyncSubmits):
    """Submits, follows and changes jobs of a queue by its HTTP API; safe to share.

    `url` and `api_key` are by default IMAGEQUEUE_URL and IMAGEQUEUE_API_KEY. Each call repeats its
    request where that is safe, for `timeout_s` at most; a submit is never two jobs. Every method
    raises AccessError for a refused key, LimitError beyond a limit of the key, and
    ApiUnavailableError if the API does not answer in that time.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Prepare connections; raises ConfigError without a URL. `transport` is httpx's own."""
        # Only a program that makes a client pays for the import of httpx.
        from .transport import AsyncTransport
        from .waiting import AsyncWatch

        target = find_target(url, api_key)
        self.url = target.url
        self._transport = AsyncTransport(target, timeout_s, transport)
        self._watch = AsyncWatch(self._transport)

    async def events(self, *, after: str = "") -> AsyncGenerator[JobEvent]:
        """Yield each change of each of the caller's jobs, from now on, for ever.

        With `after`, the id of an event, it begins after that one. It connects again by itself.
        """
        from .events import iter_events

        async with aclosing(iter_events(self._transport, after)) as events:
            async for event in events:
                if isinstance(event, JobEvent):
                    yield event

    async def get(self, job: JobRef) -> AsyncJob:
        """Return a job as it is now; raises UnknownJobError."""
        found = await self._transport.fetch(calls.get(_get_id(job)), AsyncJob)
        return attach(found, self._transport)

    async def get_many(self, jobs: Iterable[JobRef]) -> AsyncGenerator[AsyncJob]:
        """Yield many jobs as they are now, 200 with a request; raises UnknownJobError."""
        async with aclosing(self._watch.read([_get_id(job) for job in jobs])) as found:
            async for job in found:
                yield job

    async def wait(
        self,
        job: JobRef,
        *,
        timeout_s: float | None = WAIT_TIMEOUT_S,
        on_update: OnUpdate | None = None,
    ) -> AsyncJob:
        """Return a job once it is finished, whatever its end; raises TimeoutError.

        The job goes on after a timeout. `on_update` is called with it after each change.
        """
        completed = self._watch.as_completed([_get_id(job)], timeout_s, on_update)
        async with aclosing(completed):
            return await anext(completed)

    async def as_completed(
        self,
        jobs: Iterable[JobRef],
        *,
        timeout_s: float | None = WAIT_TIMEOUT_S,
        on_update: OnUpdate | None = None,
    ) -> AsyncGenerator[AsyncJob]:
        """Yield each job once, as it finishes; raises TimeoutError. One connection serves all."""
        ids = [_get_id(job) for job in jobs]
        async with aclosing(self._watch.as_completed(ids, timeout_s, on_update)) as completed:
            async for job in completed:
                yield job

    async def cancel(self, job: JobRef) -> AsyncJob:
        """Cancel a job: free while it is queued; later the charge stands.

        Raises InvalidTransitionError if its state does not allow it.
        """
        return await self._act("cancel", job)

    async def retry(self, job: JobRef, *, pay_again: bool = False) -> AsyncJob:
        """Download an unsaved job again for free, or send and pay for a failed one again.

        Raises InvalidTransitionError if there is nothing to retry, or `pay_again` is needed.
        """
        return await self._act("retry", job, {"pay_again": pay_again})

    async def acknowledge(self, job: JobRef) -> AsyncJob:
        """End an unsaved job that nobody will save; raises InvalidTransitionError."""
        return await self._act("acknowledge", job)

    async def batch(self, batch_id: str) -> Batch:
        """Return the progress of a batch; raises UnknownBatchError."""
        return await self._transport.fetch(calls.get_batch(batch_id), Batch)

    async def batches(self, *, limit: int | None = None) -> AsyncGenerator[Batch]:
        """Yield the batches of the last 90 days, newest first, all of them or up to `limit`."""
        cursor, left = None, limit
        while left is None or left > 0:
            size = calls.PAGE if left is None else min(left, calls.PAGE)
            page = await self._transport.fetch(calls.list_batches(size, cursor), BatchPage)
            for batch in page.batches:
                yield batch
            cursor = page.cursor
            left = None if left is None else left - len(page.batches)
            if cursor is None:
                return

    async def providers(self) -> tuple[Provider, ...]:
        """Return every provider of the queue."""
        return await self._transport.fetch(calls.list_providers(), tuple[Provider, ...])

    async def list(
        self,
        *,
        state: StateName | State | None = None,
        provider: ProviderName | OtherProvider | None = None,
        limit: int | None = None,
    ) -> AsyncGenerator[AsyncJob]:
        """Yield jobs, newest first, all of them or up to `limit`; reads pages as it goes.

        Raises InvalidRequestError for an unknown state or provider.
        """
        cursor, left = None, limit
        while left is None or left > 0:
            size = calls.PAGE if left is None else min(left, calls.PAGE)
            call = calls.list_page(state, provider, size, cursor)
            page = await self._transport.fetch(call, AsyncPage)
            for job in page.jobs:
                yield attach(job, self._transport)
            cursor = page.cursor
            left = None if left is None else left - len(page.jobs)
            if cursor is None:
                return

    async def aclose(self) -> None:
        """Close every connection."""
        await self._watch.aclose()
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _act(
        self, action: str, job: JobRef, options: Mapping[str, Any] | None = None
    ) -> AsyncJob:
        changed = await self._transport.fetch(calls.act(action, _get_id(job), options), AsyncJob)
        return attach(changed, self._transport)


def _get_id(job: JobRef) -> str:
    return job if isinstance(job, str) else job.id
