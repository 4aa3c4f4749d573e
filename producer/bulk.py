"""Bulk actions: cancel, retry or acknowledge many jobs, in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from ..config.redis import reachable
from ..errors import (
    ImageQueueError,
    InvalidRequestError,
    LimitError,
    Problem,
    UnknownJobError,
    UnreadableJobError,
)
from ..jobs.filter import JobFilter
from ..jobs.idempotency import build_idempotency_key
from ..jobs.job import Job
from ..store.callers.bulk_starts import begin_once
from ..store.history.selection import select_jobs
from ..store.jobs import Store, Transition
from .actions import JobActions
from .bulk_report import BulkReport, JobProblem, Tally
from .commands import STATES_FOR, Action, is_paid_retry

MAX_IDS = 10_000
# The jobs of a chunk are read in one round trip, and changed in another.
CHUNK = 200

Found = tuple[str, Job | ImageQueueError]


@dataclass(frozen=True, kw_only=True)
class BulkOptions:
    """How a bulk action is done."""

    dry_run: bool = False
    pay_again: bool = False
    submitted_by: str | None = None
    """Only the jobs of this caller are known; None for those of all."""
    idempotency_key: str | None = None
    key_owner: str = ""
    acquire: Callable[[int], None] = lambda _: None
    """Counts jobs before they are paid for again; raises LimitError."""


class BulkStep(NamedTuple):
    """What one chunk of a bulk action did, or would do."""

    report: BulkReport
    changed: list[Job]


def run_bulk(
    actions: JobActions, action: Action, selected: JobFilter | Iterable[str], options: BulkOptions
) -> Iterator[BulkStep]:
    """Return the steps of a bulk action; each is done when it is asked for.

    What is done stays done if the action ends early, and a repetition does the rest. With its
    idempotency key, the repetition leaves out jobs that were submitted or retried since.
    Raises InvalidRequestError, UnknownBatchError or IdempotencyConflictError before the first step.
    """
    store, now = actions.store, actions.now()
    if not isinstance(selected, JobFilter):
        selected = list(dict.fromkeys(selected))
        if not 0 < len(selected) <= MAX_IDS:
            raise InvalidRequestError([Problem("ids", f"give 1 to {MAX_IDS} ids, or a filter")])
    started = None
    if options.idempotency_key is not None and not options.dry_run:
        fields = {"action": action, "jobs": selected, "pay_again": options.pay_again}
        key = build_idempotency_key(options.idempotency_key, fields, options.key_owner)
        started = begin_once(store.redis, key, now)
    bulk = _Bulk(actions, action, options, started)
    if not isinstance(selected, JobFilter):
        tally = Tally(action, len(selected), dry_run=options.dry_run)
        return bulk.iter_steps(_iter_named(store, selected, options.submitted_by), tally)
    selection = select_jobs(
        store, selected, STATES_FOR[action], options.submitted_by, started or now
    )
    tally = Tally(action, selection.total, dry_run=options.dry_run)
    for state, count in selection.counted.items():
        tally.add_state(state, count)
    return bulk.iter_steps(((job.id, job) for job in selection.jobs), tally)


class _Bulk:
    """One bulk action while it runs."""

    def __init__(
        self, actions: JobActions, action: Action, options: BulkOptions, started: datetime | None
    ) -> None:
        self._actions = actions
        self._action = action
        self._options = options
        self._started = started
        self._limit_error: LimitError | None = None

    def iter_steps(self, found: Iterator[Found], tally: Tally) -> Iterator[BulkStep]:
        """Apply the action chunk by chunk, and report after each."""
        is_last = False
        while not is_last:
            with reachable():
                chunk = list(islice(found, CHUNK))
                outcomes = iter(self._apply([job for _, job in chunk if isinstance(job, Job)]))
            is_last = len(chunk) < CHUNK
            changed: list[Job] = []
            problems: list[JobProblem] = []
            for job_id, job in chunk:
                outcome = next(outcomes) if isinstance(job, Job) else job
                if isinstance(outcome, Job):
                    tally.add_changed(outcome)
                    changed.append(outcome)
                else:
                    problems.append(tally.add_problem(job_id, outcome))
            yield BulkStep(tally.report(problems=problems, finished=is_last), changed)

    def _apply(self, jobs: list[Job]) -> list[Job | Exception]:
        """Return what each job became or would become, or why it did not."""
        if self._options.dry_run:
            return [self._check(job) for job in jobs]
        try:
            self._acquire(jobs)
        except LimitError as error:
            if len(jobs) == 1:
                self._limit_error = error
                return [error]
            # As many as the limits allow: those of each half are tried.
            half = len(jobs) // 2
            return [*self._apply(jobs[:half]), *self._apply(jobs[half:])]
        return self._actions.apply_each([(job, self._build_step(job)) for job in jobs])

    def _acquire(self, jobs: list[Job]) -> None:
        """Count the jobs that are to be sent again; raises LimitError, and then counts none."""
        if self._action is not Action.RETRY:
            return
        sent = sum(is_paid_retry(job) and isinstance(self._check(job), Job) for job in jobs)
        if sent and self._limit_error:
            raise self._limit_error
        if sent:
            self._options.acquire(sent)

    def _check(self, job: Job) -> Job | ImageQueueError:
        try:
            return self._build_step(job)(job)
        except ImageQueueError as error:
            return error

    def _build_step(self, job: Job) -> Transition:
        # If the job fails only after this, the retry is refused: what was not counted is not paid.
        pay_again = self._options.pay_again and is_paid_retry(job)
        return self._actions.build_step(
            self._action, pay_again=pay_again, asked_before=self._started
        )


def _iter_named(store: Store, ids: Iterable[str], submitted_by: str | None) -> Iterator[Found]:
    """Yield each id with its job, or with the error that says why there is none."""
    remaining = iter(ids)
    while chunk := list(islice(remaining, CHUNK)):
        jobs = {job.id: job for job in store.get_many(chunk)}
        for job_id in chunk:
            job = jobs.get(job_id)
            if job and submitted_by in (None, job.submitted_by):
                yield job_id, job
                continue
            try:
                yield job_id, store.get(job_id, submitted_by)
            except (UnknownJobError, UnreadableJobError) as error:
                yield job_id, error
