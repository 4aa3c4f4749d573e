"""The outcome of a submission, recorded before anything else is done."""

from __future__ import annotations

import time
from datetime import datetime
from functools import partial
from typing import Any

from redis.exceptions import RedisError

from ..config.logging import get_logger
from ..errors import InvalidTransitionError
from ..jobs.charge import Charged
from ..jobs.cost import put_cost
from ..jobs.job import Job, JobError, Reason, State, add_seconds
from ..providers.wire import Accepted, OutcomeUnknown, Refused, SubmitOutcome
from .apply_status import as_downloading, as_waiting, is_known_task, with_note
from .context import Context
from .refusals import as_handing_over, as_refused, can_hand_over, describe

log = get_logger(__name__)

# While Redis is away, an outcome that may have been paid for is kept in memory for so long.
RECORD_TIMEOUT_S = 300.0
RECORD_RETRY_S = 0.5


def record_outcome(
    ctx: Context, job: Job, outcome: SubmitOutcome, tries_again_at: datetime | None
) -> None:
    """Record an outcome that may have been paid for, and retry while Redis is away."""
    record = partial(_apply_outcome, ctx, job.submissions, outcome, tries_again_at)
    deadline = time.monotonic() + RECORD_TIMEOUT_S
    while True:
        try:
            ctx.transition(job, record)
        except RedisError as error:
            if time.monotonic() > deadline:
                raise
            log.warning("outcome_not_recorded", error=type(error).__name__, **describe(outcome))
            time.sleep(RECORD_RETRY_S)
        else:
            if isinstance(outcome, Accepted):
                _try_first(ctx, job.provider, job.api_version)
            return


def _try_first(ctx: Context, provider: str, api_version: str) -> None:
    """Try the version that worked first from now on, unless a setting names one."""
    is_known = ctx.api_versions.get(provider, "") == api_version
    if not is_known and provider not in ctx.settings.api_versions:
        ctx.api_versions[provider] = api_version


def _apply_outcome(
    ctx: Context, nth: int, outcome: SubmitOutcome, tries_again_at: datetime | None, job: Job
) -> Job:
    """Return the job after the outcome of its `nth` submission.

    `tries_again_at` is when the next job is sent to its provider and model during an outage.
    """
    if job.submissions != nth or job.state not in (State.SUBMITTING, State.UNCONFIRMED):
        return _with_late_outcome(ctx, nth, outcome, job)
    match outcome:
        case Accepted(task_id=task_id, images=(), cost=cost):
            return as_waiting(ctx, job, "accepted", task_id, cost)
        case Accepted():
            return as_downloading(ctx, job, "answer", outcome)
        case OutcomeUnknown(code=code, message=message):
            return as_unconfirmed(ctx, job, message, code)
        case Refused(input_not_fetched=True) if can_hand_over(ctx, job):
            return as_handing_over(ctx, job, outcome)
        case _:
            return as_refused(ctx, job, outcome, tries_again_at)


def _with_late_outcome(ctx: Context, nth: int, outcome: SubmitOutcome, job: Job) -> Job:
    """Return the job with an outcome that came after another report had changed it.

    What was accepted is charged, so its task is never forgotten, and its images are welcome.
    """
    match outcome:
        case Accepted(images=images) if images and not job.all_images:
            return as_downloading(ctx, job, "answer", outcome)
        case Accepted(task_id=task_id, cost=cost) if not is_known_task(job, task_id):
            costs = put_cost(job, job.costs, nth, Charged.YES, task_id, cost)
            is_latest = job.submissions == nth and job.state is not State.QUEUED
            if is_latest and job.task_id is None:
                known: dict[str, Any] = {"task_id": task_id}
            else:
                known = {"former_tasks": (*job.former_tasks, task_id)}
            note = f"accepted as task {task_id}, which is charged"
            return with_note(ctx, job, note, costs=costs, **known)
        case OutcomeUnknown() if job.former_tasks or job.has_lost_task:
            costs = put_cost(job, job.costs, nth, Charged.UNKNOWN)
            note = "another submission had no answer: it may be charged"
            return with_note(ctx, job, note, costs=costs)
        case _:
            raise InvalidTransitionError(f"{job.id} is {job.state}: it was changed meanwhile")


def as_unconfirmed(ctx: Context, job: Job, message: str, code: str = "") -> Job:
    """Return the job waiting for its own callback, up to a deadline."""
    now = ctx.now()
    error = JobError(reason=Reason.UNCONFIRMED, code=code, message=message)
    deadline = add_seconds(now, ctx.settings.unconfirmed_after_s)
    return job.transition_to(State.UNCONFIRMED, "no answer", now, deadline, error=error)
