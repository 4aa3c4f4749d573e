"""Submission: validate requests, store their jobs once, and dispatch them to the workers."""

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
from ..providers.request import JobRequest
from ..store.budgets import BudgetReader
from ..store.dispatcher import Dispatcher
from ..store.jobs import Store
from ..store.reuse import find_made
from .idempotency import batch_keys, build_fingerprint, request_key
from .uploads import upload_files
from .validation import Fields, RefusedRequest, RequestValidator, ValidRequest, refuse_all

MAX_IN_BATCH = 5_000

OnError = Literal["refuse", "skip"]


class SubmittedBatch(NamedTuple):
    """A batch as it was accepted."""

    batch: Batch
    jobs: list[str | None]
    """The id of each item's job in the order of the items; None for a refused item."""
    refused: list[RefusedRequest]
    replayed: bool
    """Whether idempotency keys returned the original job for every item."""


class Submitter:
    """Validates requests, stores their jobs and dispatches them."""

    def __init__(
        self, settings: Settings, store: Store, dispatcher: Dispatcher, now: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._store = store
        self._budgets = BudgetReader(store.redis, settings)
        self._dispatcher = dispatcher
        self._now = now

    def submit_one(
        self, given: Fields | JobRequest, caller: str, key: str | None, **options: Any
    ) -> tuple[Job, bool]:
        """Return the job of a request, and whether its key returned an earlier job.

        `options` are those of RequestValidator.
        """
        valid = self._validator(caller, **options).check(given, key)
        (job_id,), new = self._store_jobs([valid], _keys([valid], caller))
        return (new[0], False) if new else (self._store.get(job_id), True)

    def submit_many(self, requests: Iterable[Fields], caller: str) -> list[Job]:
        """Return the jobs of all requests, accepted all or none; they form no batch."""
        valid, refused = self._validator(caller).check_each(requests)
        if refused:
            raise refuse_all(refused)
        ids, new = self._store_jobs(valid, _keys(valid, caller))
        jobs = {job.id: job for job in new}
        return [jobs.get(job_id) or self._store.get(job_id) for job_id in ids]

    def submit_batch(
        self,
        items: Sequence[Any],
        caller: str,
        key: str | None,
        on_error: OnError,
        **options: Any,
    ) -> SubmittedBatch:
        """Return a batch of all items, or with `on_error="skip"` of the valid ones.

        `options` are those of RequestValidator.
        """
        if not 0 < len(items) <= MAX_IN_BATCH:
            words = f"a batch has 1 to {MAX_IN_BATCH} items, and this one {len(items)}"
            raise InvalidRequestError([Problem("items", words)])
        batch = new_batch(self._now(), caller)
        valid, refused = self._validator(caller, batch=batch.id, **options).check_each(items)
        if refused and (on_error == "refuse" or not valid):
            raise refuse_all(refused)
        by_batch = None if key is None else batch_keys(key, items, valid, caller)
        ids, new = self._store_jobs(valid, _keys(valid, caller, by_batch), batch)
        jobs: list[str | None] = [None] * len(items)
        for each, job_id in zip(valid, ids, strict=True):
            jobs[each.index] = job_id
        stored = self._store.batches.get(batch.id) if new else self._original_batch(batch, ids)
        return SubmittedBatch(stored, jobs, refused, replayed=not new)

    def dispatch(self, jobs: Sequence[Job]) -> None:
        """Send messages for jobs that are due, as far as their queue has room."""
        for queue in Queue:
            if ids := [job.id for job in jobs if QUEUE_OF[job.state] is queue]:
                self._dispatcher.dispatch(queue, ids, self._now())

    def _validator(self, caller: str, **options: Any) -> RequestValidator:
        return RequestValidator(settings=self._settings, now=self._now, caller=caller, **options)

    def _store_jobs(
        self,
        requests: Sequence[ValidRequest],
        keys: Sequence[IdempotencyKey | None],
        batch: Batch | None = None,
    ) -> tuple[list[str], list[Job]]:
        """Store and dispatch jobs; return the id of each request's job, and the new jobs."""
        fingerprints = [build_fingerprint(each) for each in requests]
        # A known key saves the upload. Keys without uploads are checked as the jobs are added.
        known = [
            (self._store.find_by_key(key) if key and each.images else None)
            or self._find_made(each, fingerprint)
            for each, key, fingerprint in zip(requests, keys, fingerprints, strict=True)
        ]
        unknown = [
            (each, key, fingerprint)
            for each, key, fingerprint, job_id in zip(
                requests, keys, fingerprints, known, strict=True
            )
            if job_id is None
        ]
        self._budgets.check(
            [each.job for each, _, _ in unknown], [key for _, key, _ in unknown], self._now()
        )
        jobs = [self._upload_files(each, fingerprint) for each, _, fingerprint in unknown]
        try:
            added = self._store.add(jobs, [key for _, key, _ in unknown], batch)
        except IdempotencyConflictError as error:
            conflicts = [unknown[place][0] for place in error.places]
            # The key of the whole batch conflicts for every item: that is reported once.
            raise IdempotencyConflictError(
                [each.index for each in conflicts if each.key is not None] or [0]
            ) from None
        new = [job for job, job_id in zip(jobs, added, strict=True) if job.id == job_id]
        self.dispatch(new)
        ids = iter(added)
        return [job_id or next(ids) for job_id in known], new

    def _find_made(self, valid: ValidRequest, fingerprint: str) -> str | None:
        """Return the job that a request lets us reuse, if there is one."""
        if valid.request.reuse is None:
            return None
        return find_made(self._store, fingerprint, self._now() - valid.request.reuse)

    def _upload_files(self, valid: ValidRequest, fingerprint: str) -> Job:
        """Return the job to store, with the URLs of its uploaded files; raises UploadError."""
        update: dict[str, Any] = {"fingerprint": fingerprint}
        if valid.images:
            update["image_urls"] = upload_files(self._settings, valid.images)
        return valid.job.model_copy(update=update)

    def _original_batch(self, batch: Batch, job_ids: Sequence[str]) -> Batch:
        """Return the batch the jobs were submitted in; if there is none, store the new one."""
        for job in self._store.get_many(job_ids):
            if job.batch is not None:
                return self._store.batches.get(job.batch)
        self._store.batches.add(batch)
        return batch


def _keys(
    requests: Sequence[ValidRequest],
    caller: str,
    by_batch: Sequence[IdempotencyKey] | None = None,
) -> list[IdempotencyKey | None]:
    """Return each item's own key, or else the batch's key for its place, or None."""

    def choose(valid: ValidRequest) -> IdempotencyKey | None:
        if valid.key is not None:
            return request_key(valid.key, valid, caller)
        return by_batch[valid.index] if by_batch else None

    return [*map(choose, requests)]
