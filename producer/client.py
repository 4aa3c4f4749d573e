"""The Python client; the HTTP API and the command line do everything through it."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from redis.exceptions import RedisError

from ..config.celery_app import make_celery
from ..config.queues import Queue
from ..config.redis import connect, unavailable
from ..config.settings import Settings, get_settings
from ..errors import InvalidRequestError, MoveRefusedError, Problem
from ..jobs.accept import accept
from ..jobs.due import Due
from ..jobs.job import RETRY, WAKES, Image, Job, JobError, Reason, State, after, utc_now
from ..jobs.store import Page, Store

FIRST_LOOK_S = 0.05
LATER_LOOKS_S = 1.0

Jobs = list[Job]


@contextmanager
def _reachable() -> Iterator[None]:
    """Raise Redis's own errors as RedisUnavailableError, which says what to look at."""
    try:
        yield
    except RedisError as error:
        raise unavailable(error) from error


class Client:
    """Submits jobs and looks after them; safe to share between threads.

    Every method raises RedisUnavailableError if the store does not answer, and UnknownJobError
    for a job it does not hold.
    """

    def __init__(
        self, settings: Settings | None = None, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.settings = settings or get_settings()
        self._now = now
        client = connect(self.settings)
        self._store = Store(client)
        self._due = Due(
            client, make_celery(self.settings), self.settings.queue_bound, self.settings.lease_s
        )

    def submit(
        self,
        provider: str,
        prompt: str = "",
        *,
        action: str = "generate",
        image_urls: Sequence[str] = (),
        params: Mapping[str, Any] | None = None,
        delivery: str = "auto",
        metadata: Mapping[str, Any] | None = None,
    ) -> Job:
        """Queue one job; raises InvalidRequestError, and then nothing is queued."""
        return self.submit_request(
            {
                "provider": provider,
                "action": action,
                "prompt": prompt,
                "image_urls": tuple(image_urls),
                "params": dict(params or {}),
                "delivery": delivery,
                "metadata": dict(metadata or {}),
            }
        )

    def submit_request(self, request: Mapping[str, Any]) -> Job:
        """Queue one job given as the fields of a request, as `submit` does."""
        (job,) = self._queue([accept(self.settings, request, self._now())])
        return job

    def submit_many(self, requests: Iterable[Mapping[str, Any]]) -> Jobs:
        """Queue many jobs or none: InvalidRequestError names every problem by its index."""
        jobs, problems = [], []
        for index, request in enumerate(requests):
            try:
                jobs.append(accept(self.settings, request, self._now()))
            except InvalidRequestError as error:
                problems += [Problem(f"{index}.{p.field}", p.message) for p in error.problems]
        if problems:
            raise InvalidRequestError(problems)
        return self._queue(jobs)

    @_reachable()
    def get(self, job_id: str) -> Job:
        """The job as it is now."""
        return self._store.get(job_id)

    @_reachable()
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

    @_reachable()
    def ping(self) -> None:
        """Return once the store answers."""
        self._store.redis.ping()

    @_reachable()
    def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        return self._store.counts()

    def wait(self, job_id: str, timeout_s: float | None = None) -> Job:
        """The job once it has ended or cannot be saved; raises TimeoutError."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        pause_s = FIRST_LOOK_S
        while not (job := self.get(job_id)).is_resting:
            if deadline is not None and time.monotonic() + pause_s > deadline:
                raise TimeoutError(f"{job_id} is {job.state} after {timeout_s:g} s")
            time.sleep(pause_s)
            pause_s = min(LATER_LOOKS_S, pause_s * 1.5)
        return job

    @_reachable()
    def cancel(self, job_id: str) -> Job:
        """End a job: free while it is queued; later the charge stands, a result is still recorded.

        Raises MoveRefusedError for a job that is being sent, is being saved, or has ended.
        """
        return self._store.move(job_id, self._cancelled)

    @_reachable()
    def retry(self, job_id: str, *, pay_again: bool = False) -> Job:
        """Download an unsaved job again, which costs nothing, or pay for an ended one again.

        Raises MoveRefusedError where there is nothing to retry, or `pay_again` is not said.
        """
        job = self._store.move(job_id, functools.partial(self._retried, pay_again=pay_again))
        self._hint([job])
        return job

    @_reachable()
    def _queue(self, jobs: Jobs) -> Jobs:
        self._store.add(jobs)
        self._hint(jobs)
        return jobs

    def _hint(self, jobs: Jobs) -> None:
        for queue in Queue:
            if ids := [job.id for job in jobs if WAKES[job.state] is queue]:
                self._due.hint(queue, ids, self._now())

    def _cancelled(self, job: Job) -> Job:
        now = self._now()
        over = after(now, self.settings.retention_s)
        return job.to(State.CANCELLED, "cancel", now, over, error=JobError(reason=Reason.CANCELLED))

    def _retried(self, job: Job, pay_again: bool) -> Job:
        now = self._now()
        if job.state is State.UNSAVED:
            again = tuple(map(_fresh, job.images))
            return job.to(State.DOWNLOADING, RETRY, now, now, images=again, error=None)
        if job.state not in (State.FAILED, State.UNCONFIRMED):
            raise MoveRefusedError(f"{job.id} is {job.state}: there is nothing to retry")
        if not pay_again:
            raise MoveRefusedError(
                f"{job.id} is {job.state}: a retry pays again: give pay_again to allow it"
            )
        former = (*job.former_tasks, job.task_id) if job.task_id else job.former_tasks
        anew = {"attempts": 0, "task_id": None, "dialect": "", "error": None, "images": ()}
        return job.to(State.QUEUED, RETRY, now, now, former_tasks=former, **anew)


def _fresh(image: Image) -> Image:
    """An image that was given up, to be tried again; a stored one stays."""
    if image.state == "stored":
        return image
    return image.model_copy(update={"state": "pending", "attempts": 0})
