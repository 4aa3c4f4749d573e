"""Give up on a job whose step crashes its worker every time."""

from __future__ import annotations

from functools import partial

from ..config.logging import get_logger
from ..config.queues import Queue
from ..jobs.callback import Outcome
from ..jobs.job import Job, JobError, Reason, State, add_seconds
from .context import Context
from .settle import fail

log = get_logger(__name__)

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
        ctx.inbox.acknowledge(job_id, dict.fromkeys(ctx.inbox.list_unread(job_id), Outcome.POISON))
        return
    if stage is Queue.NOTIFY:
        ctx.outbox.give_up_on(job_id, ctx.outbox.list_unsent(job_id), ctx.now())
        return
    message = f"its {stage} step crashed the worker {starts} times"
    job = ctx.load(job_id)
    ctx.transition(job, partial(_end_job, ctx, JobError(code="poison", message=message)))


def _end_job(ctx: Context, error: JobError, job: Job) -> Job:
    now = ctx.now()
    if job.state is State.DOWNLOADING:
        over = add_seconds(now, ctx.settings.retention_s)
        return job.transition_to(State.UNSAVED, "poison", now, over, error=error)
    if job.state is State.SUBMITTING:
        deadline = add_seconds(now, ctx.settings.unconfirmed_after_s)
        return job.transition_to(State.UNCONFIRMED, "poison", now, deadline, error=error)
    reason = REASONS.get(job.state, Reason.PROVIDER)
    return fail(ctx, job, "poison", error.model_copy(update={"reason": reason}))
