"""From requests to jobs that are kept and hinted: each is accepted once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from ..config.queues import Queue
from ..config.settings import Settings
from ..errors import IdempotencyConflictError, InvalidRequestError, Problem
from ..jobs.batch import Batch, new_batch
from ..jobs.idempotency import IdempotencyKey
from ..jobs.job import QUEUE_OF, Job
from ..store.jobs import Store
from ..store.wakeups import WakeUps
from .idempotency import batch_onces, once_of
from .validation import Fields, Refused, RequestValidator, ValidRequest, problems_of

MAX_IN_BATCH = 5_000

OnError = Literal["refuse", "skip"]


class SubmittedBatch(NamedTuple):
    """A batch, its jobs' ids in the order of the items (None for a refused one), and the rest."""

    batch: Batch
    jobs: list[str | None]
    refused: list[Refused]
    replayed: bool
    """Whether idempotency keys had made every job before."""


class Submitter:
    """Checks requests, keeps their jobs and hints the workers."""

    def __init__(
        self, settings: Settings, store: Store, due: WakeUps, now: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._store = store
        self._due = due
        self._now = now

    def one(
        self, fields: Fields, caller: str, key: str | None, *, files: bool = False
    ) -> tuple[Job, bool]:
        """The job of a request, and whether its key had made it before."""
        checker = self._checker(caller, files=files)
        wanted = checker.check(fields, key)
        once = None if key is None else once_of(key, wanted.fields, caller)
        (job_id,), fresh = self._keep(checker, [wanted], [once])
        return (fresh[0], False) if fresh else (self._store.get(job_id), True)

    def many(self, requests: Iterable[Fields], caller: str) -> list[Job]:
        """The jobs of all requests, accepted all or none; they are no batch."""
        checker = self._checker(caller)
        wanted, refused = checker.check_each(requests)
        if refused:
            raise InvalidRequestError(problems_of(refused))
        ids, fresh = self._keep(checker, wanted, _onces(wanted, caller))
        jobs = {job.id: job for job in fresh}
        return [jobs.get(job_id) or self._store.get(job_id) for job_id in ids]

    def batch(
        self,
        items: Sequence[Any],
        caller: str,
        key: str | None,
        on_error: OnError,
        *,
        files: bool = False,
    ) -> SubmittedBatch:
        """A batch of all requests, or of those that are right."""
        if not 0 < len(items) <= MAX_IN_BATCH:
            words = f"a batch has 1 to {MAX_IN_BATCH} items, and this one {len(items)}"
            raise InvalidRequestError([Problem("items", words)])
        batch = new_batch(self._now(), caller)
        checker = self._checker(caller, batch=batch.id, files=files)
        wanted, refused = checker.check_each(items)
        if refused and (on_error == "refuse" or not wanted):
            raise InvalidRequestError(problems_of(refused))
        onces = _onces(wanted, caller, key, items)
        ids, fresh = self._keep(checker, wanted, onces, batch)
        jobs: list[str | None] = [None] * len(items)
        for one, job_id in zip(wanted, ids, strict=True):
            jobs[one.index] = job_id
        kept = self._store.batch(batch.id) if fresh else self._former(batch, ids)
        return SubmittedBatch(kept, jobs, refused, replayed=not fresh)

    def dispatch(self, jobs: Sequence[Job]) -> None:
        """Tell the workers of jobs that are due, as far as their queue has room."""
        for queue in Queue:
            if ids := [job.id for job in jobs if QUEUE_OF[job.state] is queue]:
                self._due.dispatch(queue, ids, self._now())

    def _checker(self, caller: str, **more: Any) -> RequestValidator:
        return RequestValidator(settings=self._settings, now=self._now, caller=caller, **more)

    def _keep(
        self,
        checker: RequestValidator,
        wanted: Sequence[ValidRequest],
        onces: Sequence[IdempotencyKey | None],
        batch: Batch | None = None,
    ) -> tuple[list[str], list[Job]]:
        """The id of each job, and the jobs that were not there before."""
        pairs = list(zip(wanted, onces, strict=True))
        # What is known needs no upload; what is not is looked at once more as it is added.
        known = [self._known(one, once) for one, once in pairs]
        fresh = [pair for pair, job_id in zip(pairs, known, strict=True) if job_id is None]
        jobs = [checker.job(one) for one, _ in fresh]
        try:
            added = self._store.add(jobs, [once for _, once in fresh], batch)
        except IdempotencyConflictError as error:
            own = [fresh[place][0] for place in error.places if fresh[place][0].key is not None]
            raise IdempotencyConflictError([one.index for one in own] or [0]) from None
        ids = iter(added)
        made = [job for job, job_id in zip(jobs, added, strict=True) if job.id == job_id]
        self.dispatch(made)
        return [job_id or next(ids) for job_id in known], made

    def _known(self, wanted: ValidRequest, once: IdempotencyKey | None) -> str | None:
        if once is None or isinstance(wanted.checked, Job):
            return None
        return self._store.known(once)

    def _former(self, batch: Batch, ids: Sequence[str]) -> Batch:
        """The batch that jobs came in with before; an empty one if they came in with none."""
        for job in self._store.get_many(ids):
            if job.batch is not None:
                return self._store.batch(job.batch)
        self._store.keep_batch(batch)
        return batch


def _onces(
    wanted: Sequence[ValidRequest], caller: str, key: str | None = None, items: Sequence[Any] = ()
) -> list[IdempotencyKey | None]:
    """The key of each item: its own, or that of the batch with its index, or none."""
    by_batch: list[IdempotencyKey | None] = [None] * (len(items) or len(wanted))
    if key is not None:
        right = {one.index: one.fields for one in wanted}
        said = [right.get(index, item) for index, item in enumerate(items)]
        by_batch = [*batch_onces(key, said, caller)]
    return [
        by_batch[one.index] if one.key is None else once_of(one.key, one.fields, caller)
        for one in wanted
    ]
