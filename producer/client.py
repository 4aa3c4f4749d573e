"""The Python client; the HTTP API and the command line use it for everything they do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ..archive import prepare_archive
from ..config.celery import make_celery
from ..config.redis import connect, reachable
from ..config.settings import Settings, get_settings
from ..jobs.batch import Batch
from ..jobs.filter import JobConditions
from ..jobs.idempotency import IdempotencyKey
from ..jobs.ids import check_cursor
from ..jobs.job import Job, State
from ..jobs.state import parse_state
from ..providers import get as get_provider
from ..providers.request import JobRequest, Priority
from ..store.clock import RedisClock
from ..store.due.background import BackgroundDispatcher
from ..store.due.dispatcher import open_dispatcher
from ..store.jobs import Store
from ..store.listing import Page
from .actions import JobActions
from .client_actions import ClientActions
from .delays import add_delay
from .input_images import InputImages
from .reports import Reports
from .submission import OnError, SubmittedBatch, Submitter
from .uploads import Images
from .wait import iter_completed

Jobs = list[Job]
Request = Mapping[str, Any]


class Submitted(NamedTuple):
    """A job, and whether its idempotency key, or `reuse`, returned an earlier one."""

    job: Job
    replayed: bool


class LocalClient(Reports, ClientActions):
    """Submits, lists, waits for and changes jobs; safe to share between threads.

    Every method raises RedisUnavailableError if Redis does not answer, and UnknownJobError for an
    unknown job. Repeating a request with its idempotency key within 24 h returns the original job;
    a different request with that key raises IdempotencyConflictError. With `submitted_by`, the jobs
    and batches of other callers are unknown.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        now: Callable[[], datetime] | None = None,
        *,
        name: str = "python",
        dispatch_in_background: bool = False,
    ) -> None:
        """Connect by the settings; `name` is the default `submitted_by` of its jobs.

        With `dispatch_in_background`, no call waits until the workers have a message.
        """
        self.settings = settings or get_settings()
        self._name = name
        client = connect(self.settings)
        self.open_archive = prepare_archive(self.settings, create=False)
        store = Store(client, self.settings.images_url, self.settings.durability, self.open_archive)
        super().__init__(self.settings, store, now or RedisClock(client))
        self.input_images = InputImages(self.settings, client, self._now)
        at_once = open_dispatcher(self.settings, client, make_celery(self.settings))
        dispatcher = BackgroundDispatcher(at_once) if dispatch_in_background else at_once
        self._submitter = Submitter(self.settings, self._store, dispatcher, self._now)
        self._actions = JobActions(
            self.settings, self._store, dispatcher, self._submitter, self._now
        )

    @reachable()
    def submit(
        self,
        provider: str,
        prompt: str = "",
        *,
        action: str = "generate",
        image: Images = (),
        image_urls: Sequence[str] = (),
        params: Mapping[str, Any] | None = None,
        fallback: Sequence[Request] = (),
        delivery: str = "auto",
        metadata: Mapping[str, Any] | None = None,
        image_name: str | None = None,
        webhook_url: str | None = None,
        priority: Priority = "normal",
        not_before: datetime | timedelta | None = None,
        after: Sequence[str] = (),
        reuse: str | timedelta | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Queue one job and return it; raises InvalidRequestError or UploadError.

        `image` takes URLs and local files, which are uploaded; `image_urls`, for untrusted input,
        takes only URLs; both take ids of uploads, and of jobs for their images. The jobs in `after`
        have to succeed first. `fallback` has other providers, each as `provider` and `params`.
        `not_before` is a time with a time zone, or counts from now.
        """
        if isinstance(not_before, timedelta):
            not_before = add_delay(self._now(), not_before, idempotency_key)
        request = {
            "provider": provider,
            "action": action,
            "prompt": prompt,
            "image_urls": tuple(image_urls),
            "params": dict(params or {}),
            "fallback": tuple(fallback),
            "delivery": delivery,
            "metadata": dict(metadata or {}),
            "image_name": image_name,
            "webhook_url": webhook_url,
            "priority": priority,
            "not_before": not_before,
            "after": tuple(after),
            "reuse": reuse,
            **({} if image == () else {"image": image}),
        }
        return self._submitter.submit_one(request, self._name, idempotency_key, files=True)[0]

    @reachable()
    def submit_request(
        self,
        request: Request | JobRequest,
        *,
        idempotency_key: str | IdempotencyKey | None = None,
        submitted_by: str | None = None,
        sees: str | None = None,
        max_priority: Priority = "high",
    ) -> Submitted:
        """Queue one job given as the fields of a request; it takes URLs, never local files.

        With `sees`, it can need jobs of that caller only.
        """
        submit, caller = self._submitter.submit_one, submitted_by or self._name
        options = {"sees": sees, "max_priority": max_priority}
        return Submitted(*submit(request, caller, idempotency_key, **options))

    @reachable()
    def submit_many(self, requests: Iterable[Request]) -> Jobs:
        """Queue all jobs or none; InvalidRequestError names every problem with its index."""
        return self._submitter.submit_many(requests, self._name)

    @reachable()
    def submit_batch(
        self,
        requests: Iterable[Any],
        *,
        on_error: OnError = "refuse",
        idempotency_key: str | IdempotencyKey | None = None,
        submitted_by: str | None = None,
        sees: str | None = None,
        files: bool = False,
        max_priority: Priority = "high",
    ) -> SubmittedBatch:
        """Queue up to 5,000 jobs as a batch, whose progress `batch` returns.

        With `on_error="skip"` the valid ones are queued and the others listed as refused. A request
        may have an `idempotency_key` of its own, and with `files` an `image` as in `submit`.
        """
        # A sequence may parse each item when it is asked for.
        items = requests if isinstance(requests, Sequence) else list(requests)
        caller = submitted_by or self._name
        options = {"files": files, "sees": sees, "max_priority": max_priority}
        return self._submitter.submit_batch(items, caller, idempotency_key, on_error, **options)

    @reachable()
    def get(self, job_id: str, *, submitted_by: str | None = None) -> Job:
        """Return the job's current state."""
        return self._store.get(job_id, submitted_by)

    @reachable()
    def get_many(self, job_ids: Iterable[str], *, submitted_by: str | None = None) -> Jobs:
        """Return the jobs in this order; unknown ids are left out."""
        found = self._store.get_many(job_ids)
        return [job for job in found if submitted_by in (None, job.submitted_by)]

    @reachable()
    def batch(self, batch_id: str, *, submitted_by: str | None = None) -> Batch:
        """Return the batch and its progress; raises UnknownBatchError."""
        return self._store.batches.get(batch_id, submitted_by)

    @reachable()
    def batch_jobs(
        self,
        batch_id: str,
        *,
        limit: int = 50,
        cursor: str | None = None,
        submitted_by: str | None = None,
    ) -> Page:
        """Return a page of a batch's jobs, oldest first; pass its `cursor` to get the next page.

        Raises InvalidRequestError for a cursor of no page.
        """
        check_cursor(cursor)
        return self._store.batches.list_jobs(batch_id, limit, cursor, submitted_by)

    @reachable()
    def list(
        self,
        *,
        state: State | None = None,
        provider: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        submitted_by: str | None = None,
        chosen: JobConditions | None = None,
    ) -> Page:
        """Return a page of jobs, newest first; pass its `cursor` to get the next page.

        With `chosen`, only matching ones: then a page may have fewer although there are more.
        Raises InvalidRequestError for an unknown state or provider, or a cursor of no page.
        """
        if provider is not None:
            get_provider(provider)
        if state is not None:
            state = parse_state(state)
        check_cursor(cursor)
        chosen = chosen or JobConditions()
        if submitted_by is not None and chosen.caller not in (None, submitted_by):
            return Page([], None)
        given = {"state": state, "provider": provider, "caller": submitted_by}
        given = {name: value for name, value in given.items() if value is not None}
        chosen, since = chosen.model_copy(update=given), chosen.find_start(self._now())
        return self._store.history.list_page(chosen, limit, cursor, since)

    @reachable()
    def counts(self, *, submitted_by: str | None = None) -> dict[State, int]:
        """Return the number of jobs in each state."""
        chosen = JobConditions.model_construct(caller=submitted_by)
        return self._store.history.count_by_state(chosen)

    def wait(self, job_id: str, timeout_s: float | None = None) -> Job:
        """Return the job once it is finished; raises TimeoutError."""
        return next(self.as_completed([job_id], timeout_s))

    def as_completed(self, job_ids: Iterable[str], timeout_s: float | None = None) -> Iterator[Job]:
        """Yield each job once, as it finishes; raises TimeoutError."""
        with reachable():
            yield from iter_completed(self._store, job_ids, timeout_s)
