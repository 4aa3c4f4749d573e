# Written by `make client` from _async/client.py: change that one.
"""The client of the HTTP API."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

from ...errors import InvalidRequestError, JobFailedError
from .. import calls
from ..config import find_target
from ..inputs import build_request, read_file, take_images
from ..responses import BatchAnswer, list_refused, locate
from ..results import Batch, JobEvent, Provider, RefusedJob, SubmittedJob, Upload
from .results import Job, Page, attach
from .submits import WAIT_TIMEOUT_S, OnUpdate, Submits

if TYPE_CHECKING:
    import httpx

    from ...jobs.state import State
    from ..catalogue import OtherProvider, ProviderName, Request, StateName

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

    def _run(
        self,
        provider: str,
        prompt: str,
        params: Mapping[str, Any] | None,
        options: Mapping[str, Any],
        timeout_s: float | None,
        on_update: OnUpdate | None,
    ) -> Job:
        job = self._submit(provider, prompt, params, options)
        if on_update:
            on_update(job)
        if not job.is_finished:
            watch = self._watch.as_completed([job.id], timeout_s, on_update, are_new=True)
            with closing(watch) as completed:
                job = next(completed)
        if job.state != "succeeded":
            raise JobFailedError(job)
        return job

    def _submit(
        self,
        provider: str,
        prompt: str,
        params: Mapping[str, Any] | None,
        options: Mapping[str, Any],
    ) -> Job:
        fields = build_request(provider, prompt, params, options)
        key = fields.pop("idempotency_key", None) or calls.make_key()
        call = calls.submit(self._upload_images(fields), key)
        job = self._transport.fetch(call, Job)
        return attach(job, self._transport)

    def submit_many(
        self,
        requests: Iterable[Request],
        *,
        on_refused: Callable[[RefusedJob], object] | None = None,
        chunk_size: int = calls.MAX_CHUNK,
        timeout_s: float | None = None,
    ) -> Generator[SubmittedJob]:
        """Queue thousands of jobs, a batch for each `chunk_size`, and yield each once accepted.

        `requests` is read as it goes. Without `on_refused`, an invalid request raises
        InvalidRequestError, and none of its batch is queued; those before it are. `timeout_s` is
        for each batch, by default that of the client.
        """
        start = 0
        for chunk in calls.split(requests, chunk_size):
            lines = [calls.dump(self._upload_images(dict(each))) for each in chunk]
            call = calls.submit_chunk(lines, "skip" if on_refused else "refuse")
            accepted: Iterable[SubmittedJob] = ()
            try:
                answer = self._transport.fetch(call, BatchAnswer, timeout_s)
                accepted, refused = answer.list_accepted(start), answer.list_refused(start)
            except InvalidRequestError as error:
                refused = list_refused(error, start)
                if not on_refused:
                    raise locate(refused) from None
            for job in refused:
                if on_refused:
                    on_refused(job)
            for each in accepted:
                yield each
            start += len(chunk)

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

    def upload(self, source: str | os.PathLike[str] | bytes) -> Upload:
        """Store an image of up to 30 MB, from a path or bytes; give its id as an `image`.

        Raises InvalidRequestError if it is no PNG, JPEG, WebP or GIF.
        """
        return self._transport.fetch(calls.upload(read_file(source)), Upload)

    def batch(self, batch_id: str) -> Batch:
        """Return the progress of a batch; raises UnknownBatchError."""
        return self._transport.fetch(calls.get_batch(batch_id), Batch)

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

    def _upload_images(self, fields: dict[str, Any]) -> dict[str, Any]:
        if images := take_images(fields):
            fields["image_urls"] = [
                each if isinstance(each, str) else (self.upload(each)).id for each in images
            ]
        return fields


def _get_id(job: JobRef) -> str:
    return job if isinstance(job, str) else job.id
