# Written by `make client` from _async/client.py: change that one.
"""The client of the HTTP API."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

from .. import calls
from ..config import find_target
from ..results import Batch, BatchPage, JobEvent, Provider, SubmittedJob
from .results import Job, OnUpdate, Page, attach
from .submits import WAIT_TIMEOUT_S, Submits

if TYPE_CHECKING:
    import httpx

    from ...jobs.state import State
    from ..catalogue import OtherProvider, ProviderName, StateName

JobRef = str | Job | SubmittedJob
"""A job, or its id."""
TIMEOUT_S = 60.0


class Client(Submits):
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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Prepare connections; raises ConfigError without a URL. `transport` is httpx's own."""
        # Only a program that makes a client pays for the import of httpx.
        from .transport import Transport
        from .waiting import Watch

        target = find_target(url, api_key)
        self.url = target.url
        self._transport = Transport(target, timeout_s, transport)
        self._watch = Watch(self._transport)

    def events(self, *, after: str = "") -> Generator[JobEvent]:
        """Yield each change of each of the caller's jobs, from now on, for ever.

        With `after`, the id of an event, it begins after that one. It connects again by itself.
        """
        from .events import iter_events

        with closing(iter_events(self._transport, after)) as events:
            for event in events:
                if isinstance(event, JobEvent):
                    yield event

    def get(self, job: JobRef) -> Job:
        """Return a job as it is now; raises UnknownJobError."""
        found = self._transport.fetch(calls.get(_get_id(job)), Job)
        return attach(found, self._transport)

    def get_many(self, jobs: Iterable[JobRef]) -> Generator[Job]:
        """Yield many jobs as they are now, 200 with a request; raises UnknownJobError."""
        with closing(self._watch.read([_get_id(job) for job in jobs])) as found:
            for job in found:
                yield job

    def wait(
        self,
        job: JobRef,
        *,
        timeout_s: float | None = WAIT_TIMEOUT_S,
        on_update: OnUpdate | None = None,
    ) -> Job:
        """Return a job once it is finished, whatever its end; raises TimeoutError.

        The job goes on after a timeout. `on_update` is called with it after each change.
        """
        completed = self._watch.as_completed([_get_id(job)], timeout_s, on_update)
        with closing(completed):
            return next(completed)

    def as_completed(
        self,
        jobs: Iterable[JobRef],
        *,
        timeout_s: float | None = WAIT_TIMEOUT_S,
        on_update: OnUpdate | None = None,
    ) -> Generator[Job]:
        """Yield each job once, as it finishes; raises TimeoutError. One connection serves all."""
        ids = [_get_id(job) for job in jobs]
        with closing(self._watch.as_completed(ids, timeout_s, on_update)) as completed:
            for job in completed:
                yield job

    def cancel(self, job: JobRef) -> Job:
        """Cancel a job: free while it is queued; later the charge stands.

        Raises InvalidTransitionError if its state does not allow it.
        """
        return self._act("cancel", job)

    def retry(self, job: JobRef, *, pay_again: bool = False) -> Job:
        """Download an unsaved job again for free, or send and pay for a failed one again.

        Raises InvalidTransitionError if there is nothing to retry, or `pay_again` is needed.
        """
        return self._act("retry", job, {"pay_again": pay_again})

    def acknowledge(self, job: JobRef) -> Job:
        """End an unsaved job that nobody will save; raises InvalidTransitionError."""
        return self._act("acknowledge", job)

    def batch(self, batch_id: str) -> Batch:
        """Return the progress of a batch; raises UnknownBatchError."""
        return self._transport.fetch(calls.get_batch(batch_id), Batch)

    def batches(self, *, limit: int | None = None) -> Generator[Batch]:
        """Yield the batches of the last 90 days, newest first, all of them or up to `limit`."""
        cursor, left = None, limit
        while left is None or left > 0:
            size = calls.PAGE if left is None else min(left, calls.PAGE)
            page = self._transport.fetch(calls.list_batches(size, cursor), BatchPage)
            for batch in page.batches:
                yield batch
            cursor = page.cursor
            left = None if left is None else left - len(page.batches)
            if cursor is None:
                return

    def providers(self) -> tuple[Provider, ...]:
        """Return every provider of the queue."""
        return self._transport.fetch(calls.list_providers(), tuple[Provider, ...])

    def list(
        self,
        *,
        state: StateName | State | None = None,
        provider: ProviderName | OtherProvider | None = None,
        limit: int | None = None,
    ) -> Generator[Job]:
        """Yield jobs, newest first, all of them or up to `limit`; reads pages as it goes.

        Raises InvalidRequestError for an unknown state or provider.
        """
        cursor, left = None, limit
        while left is None or left > 0:
            size = calls.PAGE if left is None else min(left, calls.PAGE)
            call = calls.list_page(state, provider, size, cursor)
            page = self._transport.fetch(call, Page)
            for job in page.jobs:
                yield attach(job, self._transport)
            cursor = page.cursor
            left = None if left is None else left - len(page.jobs)
            if cursor is None:
                return

    def close(self) -> None:
        """Close every connection."""
        self._watch.close()
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _act(self, action: str, job: JobRef, options: Mapping[str, Any] | None = None) -> Job:
        changed = self._transport.fetch(calls.act(action, _get_id(job), options), Job)
        return attach(changed, self._transport)


def _get_id(job: JobRef) -> str:
    return job if isinstance(job, str) else job.id
