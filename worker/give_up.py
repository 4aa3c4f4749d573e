"""Give up on a job whose step crashes its worker every time."""

from __future__ import annotations

from functools import partial

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from ..config.logging import get_logger
from ..config.queues import Queue
from ..errors import ImageQueueError
from ..jobs.callback import Outcome
from ..jobs.job import Job, JobError, Reason, State, add_seconds
from .apply_status import as_failed
from .context import Context
from .saving.unreadable import is_unreadable

log = get_logger(__name__)

# Errors that say what to do: another worker was first, or Redis is away.
EXPECTED = (ImageQueueError, RedisError, OperationalError)
ESSENTIAL = (
    *("id", "state", "provider", "action", "delivery", "submitted_by", "batch", "created_at"),
    *("revision", "wake_at", "task_id", "former_tasks", "submissions", "attempts", "images"),
    *("changes", "api_version", "account_key", "priority", "estimate", "costs"),
)
# The reason that the owner sees. A success that is reported later revives the job.
REASONS = {
    State.QUEUED: Reason.BAD_INPUT,
    State.UNCONFIRMED: Reason.UNCONFIRMED,
    State.WAITING: Reason.TIMED_OUT,
    State.OVERDUE: Reason.TIMED_OUT,
}


def give_up_on(ctx: Context, job_id: str, stage: Queue, starts: int) -> None:
    """End a job, or put aside what its step crashed on, after `starts` unfinished starts."""
    log.error("job_given_up", starts=starts)
    if stage is Queue.CALLBACK:
        ctx.inbox.acknowledge(job_id, dict.fromkeys(ctx.inbox.list_entries(job_id), Outcome.POISON))
        return
    if stage is Queue.NOTIFY:
        ctx.outbox.give_up_on(job_id, ctx.outbox.list_unsent(job_id), ctx.now())
        return
    message = f"its {stage} step crashed the worker {starts} times"
    job, error = ctx.load(job_id), JobError(code="poison", message=message)
    try:
        ctx.transition(job, partial(_end_job, ctx, error))
    except EXPECTED:
        raise
    except Exception:
        # What broke its steps breaks its end as well: it ends without the fields of its request.
        log.exception("job_ended_without_its_request")
        ctx.transition(job, lambda current: _end_job(ctx, error, _strip(current)))


def _strip(job: Job) -> Job:
    """Return the job with no more than it needs to be listed, charged for and deleted."""
    return Job.model_construct(**{name: getattr(job, name) for name in ESSENTIAL})


def _end_job(ctx: Context, error: JobError, job: Job) -> Job:
    now = ctx.now()
    if job.state is State.DOWNLOADING:
        over = add_seconds(now, ctx.settings.finished_s)
        return job.transition_to(State.UNSAVED, "poison", now, over, error=error)
    if job.state is State.SUBMITTING:
        deadline = add_seconds(now, ctx.settings.unconfirmed_after_s)
        return job.transition_to(State.UNCONFIRMED, "poison", now, deadline, error=error)
    reason = REASONS.get(job.state, Reason.PROVIDER)
    if is_unreadable(job):
        reason = Reason.UNREADABLE
    return as_failed(ctx, job, "poison", error.model_copy(update={"reason": reason}))
