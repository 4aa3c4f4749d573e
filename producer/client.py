"""The Python client; the HTTP API and the command line do everything through it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from ..config.celery import make_celery
from ..config.queues import Queue
from ..config.redis import connect, connect_broker, to_unavailable_error
from ..config.settings import Settings, get_settings
from ..jobs.batch import Batch
from ..jobs.job import Job, State, add_seconds, utc_now
from ..providers.request import JobRequest
from ..store.dispatcher import Dispatcher
from ..store.jobs import Store
from ..store.listing import Page
from ..store.wakeups import WakeUps
from . import commands
from .submission import OnError, SubmittedBatch, Submitter
from .uploads import Images
from .wait import iter_completed

Jobs = list[Job]
Request = Mapping[str, Any]


@contextmanager
def reachable() -> Iterator[None]:
    """Raise Redis's own errors as RedisUnavailableError, which says what to look at."""
    try:
        yield
    except RedisError as error:
        raise to_unavailable_error(error) from error


class Submitted(NamedTuple):
    """A job, and whether its idempotency key had made it before."""

    job: Job
    replayed: bool


class Client:
    """Submits jobs and looks after them; safe to share between threads.

    Every method raises RedisUnavailableError if the store does not answer, and UnknownJobError
    for a job it does not hold. Under an idempotency key a request makes one job, however often it
    is sent within a day; another request under it raises IdempotencyConflictError.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        now: Callable[[], datetime] = utc_now,
        *,
        name: str = "python",
    ) -> None:
        """`name` is what its jobs are `submitted_by`, unless a call says otherwise."""
        self.settings = settings or get_settings()
        self._now = now
        self._name = name
        client = connect(self.settings)
        self._store = Store(client)
        self._dispatcher = Dispatcher(
            WakeUps(client, self.settings.lease_s),
            connect_broker(self.settings, client),
            make_celery(self.settings),
            self.settings.max_queued_messages,
        )
        self._submitter = Submitter(self.settings, self._store, self._dispatcher, now)

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
        delivery: str = "auto",
        metadata: Mapping[str, Any] | None = None,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Queue one job; raises InvalidRequestError or UploadError, and then nothing is queued.

        `image` takes URLs and files of this machine, which are uploaded to the provider: give
        `image_urls` instead, which takes URLs alone, for what strangers sent you.
        """
        request = {
            "provider": provider,
            "action": action,
            "prompt": prompt,
            "image_urls": tuple(image_urls),
            "params": dict(params or {}),
            "delivery": delivery,
            "metadata": dict(metadata or {}),
            "webhook_url": webhook_url,
            **({} if image == () else {"image": image}),
        }
        job, _ = self._submitter.submit_one(request, self._name, idempotency_key, files=True)
        return job

    def submit_request(
        self,
        request: Request | JobRequest,
        *,
        idempotency_key: str | None = None,
        submitted_by: str | None = None,
    ) -> Job:
        """Queue one job given as the fields of a request; no file is read for it, only URLs."""
        return self.submit_once(request, idempotency_key, submitted_by).job

    @reachable()
    def submit_once(
        self,
        request: Request | JobRequest,
        idempotency_key: str | None,
        submitted_by: str | None = None,
    ) -> Submitted:
        """The same, and whether the key had made the job before; keys are the submitter's own."""
        caller = submitted_by or self._name
        return Submitted(*self._submitter.submit_one(request, caller, idempotency_key))

    @reachable()
    def submit_many(self, requests: Iterable[Request]) -> Jobs:
        """Queue many jobs or none: InvalidRequestError names every problem by its index."""
        return self._submitter.submit_many(requests, self._name)

    @reachable()
    def submit_batch(
        self,
        requests: Iterable[Any],
        *,
        on_error: OnError = "refuse",
        idempotency_key: str | None = None,
        submitted_by: str | None = None,
        files: bool = False,
    ) -> SubmittedBatch:
        """Queue up to 5,000 jobs as a batch, whose progress can be asked for.

        With `on_error="skip"` those that are right are queued, and the others listed. A request
        may have an `idempotency_key` of its own; with `files`, an `image` as `submit` takes it.
        """
        items = list(requests)
        caller = submitted_by or self._name
        return self._submitter.submit_batch(items, caller, idempotency_key, on_error, files=files)

    @reachable()
    def get(self, job_id: str) -> Job:
        """The job as it is now."""
        return self._store.get(job_id)

    @reachable()
    def get_many(self, job_ids: Iterable[str]) -> Jobs:
        """Those of the jobs that are there, in this order."""
        return [*self._store.get_many(job_ids)]

    @reachable()
    def batch(self, batch_id: str) -> Batch:
        """The batch, and how far its jobs are."""
        return self._store.batches.get(batch_id)

    @reachable()
    def batch_jobs(self, batch_id: str, *, limit: int = 50, cursor: str | None = None) -> Page:
        """The jobs of a batch, oldest first; `cursor` of one page leads to the next."""
        return self._store.batches.list_jobs(batch_id, limit, cursor)

    @reachable()
    def list(
        self,
        *,
        state: State | None = None,
        provider: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Jobs, newest first; `cursor` of one page leads to the next."""
        return self._store.list(state, provider, limit, cursor)

    @reachable()
    def ping(self) -> None:
        """Return once the store answers."""
        self._store.redis.ping()

    @reachable()
    def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        return self._store.count_by_state()

    def wait(self, job_id: str, timeout_s: float | None = None) -> Job:
        """The job once it has ended or cannot be saved; raises TimeoutError."""
        return next(self.as_completed([job_id], timeout_s))

    def as_completed(self, job_ids: Iterable[str], timeout_s: float | None = None) -> Iterator[Job]:
        """Jobs as they end or cannot be saved, each once; raises TimeoutError."""
        with reachable():
            yield from iter_completed(self._store, job_ids, timeout_s)

    @reachable()
    def cancel(self, job_id: str) -> Job:
        """End a job: free while it is queued; later the charge stands, a result is still recorded.

        Raises InvalidTransitionError for a job that is being sent, is being saved, or has ended.
        """
        now = self._now()
        over = add_seconds(now, self.settings.retention_s)
        job = self._store.transition(
            self._store.get(job_id), lambda job: commands.cancel(job, now, over)
        )
        if job.webhook_url:
            self._dispatcher.dispatch(Queue.NOTIFY, [job.id], now)
        return job

    @reachable()
    def retry(self, job_id: str, *, pay_again: bool = False) -> Job:
        """Download an unsaved job again, which costs nothing, or pay for an ended one again.

        Raises InvalidTransitionError where there is nothing to retry, or `pay_again` is not said.
        """
        now = self._now()
        job = self._store.transition(
            self._store.get(job_id), lambda job: commands.retry(job, now, pay_again=pay_again)
        )
        self._submitter.dispatch([job])
        return job
