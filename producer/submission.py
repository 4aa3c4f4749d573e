"""Submission: validate requests, store their jobs once, and dispatch them to the workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal, NamedTuple

from ..config.queues import Queue
from ..config.settings import Settings
from ..errors import IdempotencyConflictError, InvalidRequestError, Problem
from ..jobs.batch import Batch, new_batch
from ..jobs.idempotency import IdempotencyKey
from ..jobs.job import QUEUE_OF, Job
from ..providers.request import JobRequest
from ..store.callers.reuse import claim_keys, find_by_keys, find_made, store_keys
from ..store.callers.terms import Terms, read_terms
from ..store.due.background import Dispatches
from ..store.images.uploads import Uploads
from ..store.jobs import Store
from ..store.money.budgets import BudgetReader
from .idempotency import batch_key, build_fingerprint, place_key, request_key
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


class _StoredJobs(NamedTuple):
    """What became of several requests."""

    ids: list[str]
    """The id of each request's job."""
    new: list[Job]
    replayed: bool
    """Whether idempotency keys returned the original job of every request."""


class Submitter:
    """Validates requests, stores their jobs and dispatches them."""

    def __init__(
        self, settings: Settings, store: Store, dispatcher: Dispatches, now: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._store = store
        self._budgets = BudgetReader(store.redis, settings)
        self._dispatcher = dispatcher
        self._now = now

    def submit_one(
        self,
        given: Fields | JobRequest,
        caller: str,
        key: str | IdempotencyKey | None,
        **options: Any,
    ) -> tuple[Job, bool]:
        """Return the job of a request, and whether its key, or `reuse`, returned an earlier job.

        A key is the caller's own, or complete with a digest. `options` are those of
        RequestValidator.
        """
        own, complete = (None, key) if isinstance(key, IdempotencyKey) else (key, None)
        terms = read_terms(self._store.redis, caller)
        valid = self._validator(caller, terms, **options).check(given, own)
        known = [complete] if complete else _keys([valid], caller)
        stored = self._store_jobs([valid], known, terms)
        return (stored.new[0], False) if stored.new else (self._store.get(stored.ids[0]), True)

    def submit_many(self, requests: Iterable[Fields], caller: str) -> list[Job]:
        """Return the jobs of all requests, accepted all or none; they form no batch."""
        terms = read_terms(self._store.redis, caller)
        valid, refused = self._validator(caller, terms).check_each(requests)
        if refused:
            raise refuse_all(refused)
        stored = self._store_jobs(valid, _keys(valid, caller), terms)
        jobs = {job.id: job for job in stored.new}
        return [jobs.get(job_id) or self._store.get(job_id) for job_id in stored.ids]

    def submit_batch(
        self,
        items: Sequence[Any],
        caller: str,
        key: str | IdempotencyKey | None,
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
        terms = read_terms(self._store.redis, caller)
        validator = self._validator(caller, terms, batch=batch.id, **options)
        valid, refused = validator.check_each(items)
        if refused and (on_error == "refuse" or not valid):
            raise refuse_all(refused)
        whole = batch_key(key, items, valid, caller) if isinstance(key, str) else key
        batch_at = place_key(whole, "batch") if whole else None
        # Raises before anything is stored if the key belongs to another batch.
        (original,) = find_by_keys(self._store.redis, [batch_at])
        stored = self._store_jobs(valid, _keys(valid, caller, whole), terms, batch)
        jobs: list[str | None] = [None] * len(items)
        for each, job_id in zip(valid, stored.ids, strict=True):
            jobs[each.index] = job_id
        if original is None or not stored.replayed:
            original = self._store_batch(batch, stored, batch_at)
        found = self._store.batches.get(original)
        return SubmittedBatch(found, jobs, refused, stored.replayed)

    def dispatch(self, jobs: Sequence[Job]) -> None:
        """Send messages for jobs that are due, as far as their queue has room."""
        for queue in Queue:
            if ids := [job.id for job in jobs if QUEUE_OF[job.state] is queue]:
                self._dispatcher.dispatch(queue, ids, self._now())

    def _validator(self, caller: str, terms: Terms, **options: Any) -> RequestValidator:
        return RequestValidator(
            settings=self._settings,
            now=self._now,
            find_jobs=self._store.get_many,
            find_uploads=Uploads(self._store.redis).get_many,
            caller=caller,
            webhook=terms.webhook,
            **options,
        )

    def _store_jobs(
        self,
        requests: Sequence[ValidRequest],
        keys: Sequence[IdempotencyKey | None],
        terms: Terms,
        batch: Batch | None = None,
    ) -> _StoredJobs:
        """Store and dispatch the jobs of requests that no earlier job answers."""
        fingerprints = [build_fingerprint(each) for each in requests]
        # A known key goes before `reuse`, and saves the upload. `add` checks the other keys.
        early = [
            key if each.images or each.request.reuse is not None else None
            for each, key in zip(requests, keys, strict=True)
        ]
        with _locate_conflicts(requests):
            by_key = find_by_keys(self._store.redis, early)
        made = self._find_made(requests, fingerprints, by_key)
        unknown = [place for place in range(len(requests)) if not (by_key[place] or made[place])]
        new_keys = [keys[place] for place in unknown]
        new_jobs = [requests[place].job for place in unknown]
        self._budgets.check(new_jobs, new_keys, terms.budgets, self._now())
        jobs = [self._upload_files(requests[place], fingerprints[place]) for place in unknown]
        with _locate_conflicts(requests):
            reused = claim_keys(self._store.redis, keys, made)
        with _locate_conflicts([requests[place] for place in unknown]):
            added = self._store.add(jobs, new_keys, batch)
        new = [job for job, job_id in zip(jobs, added, strict=True) if job.id == job_id]
        self.dispatch(new)
        rest = iter(added)
        ids = [one or other or next(rest) for one, other in zip(by_key, reused, strict=True)]
        return _StoredJobs(ids, new, replayed=not new and not any(made))

    def _find_made(
        self,
        requests: Sequence[ValidRequest],
        fingerprints: Sequence[str],
        by_key: Sequence[str | None],
    ) -> list[str | None]:
        """Return the job that each request without a known key lets us reuse, or None."""
        now = self._now()
        wanted = [
            (fingerprint, now - each.request.reuse)
            if each.request.reuse is not None and known is None
            else None
            for each, fingerprint, known in zip(requests, fingerprints, by_key, strict=True)
        ]
        return find_made(self._store, wanted)

    def _upload_files(self, valid: ValidRequest, fingerprint: str) -> Job:
        """Return the job to store, with the URLs of its uploaded files; raises UploadError."""
        update: dict[str, Any] = {"fingerprint": fingerprint}
        if valid.images:
            update["image_urls"] = upload_files(self._settings, valid.images)
        return valid.job.model_copy(update=update)

    def _store_batch(self, batch: Batch, stored: _StoredJobs, key: IdempotencyKey | None) -> str:
        """Store a batch unless it was stored with its jobs, or they have one; return its id."""
        if stored.replayed:
            # A batch with new jobs is newer than the batches of jobs that it reused.
            of_jobs = [job.batch for job in self._store.get_many(stored.ids) if job.batch]
            if of_jobs:
                return max(of_jobs)
        if not stored.new:
            self._store.batches.add(batch)
        if key:
            store_keys(self._store.redis, [(key, batch.id)])
        return batch.id


@contextmanager
def _locate_conflicts(requests: Sequence[ValidRequest]) -> Iterator[None]:
    """Name the conflicting items of a batch by their indexes in it."""
    try:
        yield
    except IdempotencyConflictError as error:
        conflicts = [requests[place] for place in error.places]
        # The key of the whole batch conflicts for every item: that is reported once.
        raise IdempotencyConflictError(
            [each.index for each in conflicts if each.key is not None] or [0]
        ) from None


def _keys(
    requests: Sequence[ValidRequest],
    caller: str,
    whole: IdempotencyKey | None = None,
) -> list[IdempotencyKey | None]:
    """Return each item's own key, or else the batch's key for its place, or None."""

    def choose(valid: ValidRequest) -> IdempotencyKey | None:
        if valid.key is not None:
            return request_key(valid.key, valid, caller)
        return place_key(whole, valid.index) if whole else None

    return [*map(choose, requests)]
