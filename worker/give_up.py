"""Poison: a job whose step breaks its worker every time is ended where it stands."""

from __future__ import annotations

from functools import partial

from ..config.logging import get_logger
from ..config.queues import Queue
from ..jobs.callback import Outcome
from ..jobs.job import Job, JobError, Reason, State, add_seconds
from .context import Context
from .settle import fail

log = get_logger(__name__)

# What the owner of such a job is told; a success that arrives after all revives it.
REASONS = {
    State.QUEUED: Reason.BAD_INPUT,
    State.UNCONFIRMED: Reason.UNCONFIRMED,
    State.WAITING: Reason.TIMED_OUT,
    State.OVERDUE: Reason.TIMED_OUT,
}


def give_up_on(ctx: Context, job_id: str, stage: Queue, starts: int) -> None:
    """End a job, or set aside what its step broke over, after `starts` that came to no end."""
    log.error("poison", starts=starts)
    if stage is Queue.CALLBACK:
        ctx.inbox.acknowledge(job_id, dict.fromkeys(ctx.inbox.list_unread(job_id), Outcome.POISON))
        return
    if stage is Queue.NOTIFY:
        ctx.outbox.give_up_on(job_id, ctx.outbox.list_unsent(job_id), ctx.now())
        return
    message = f"its worker broke down {starts} times over the {stage} step"
    job = ctx.load(job_id)
    ctx.transition(job, partial(_buried, ctx, JobError(code="poison", message=message)))


def _buried(ctx: Context, error: JobError, job: Job) -> Job:
    now = ctx.now()
    if job.state is State.DOWNLOADING:
        over = add_seconds(now, ctx.settings.retention_s)
        return job.transition_to(State.UNSAVED, "poison", now, over, error=error)
    if job.state is State.SUBMITTING:
        deadline = add_seconds(now, ctx.settings.unconfirmed_after_s)
        return job.transition_to(State.UNCONFIRMED, "poison", now, deadline, error=error)
    reason = REASONS.get(job.state, Reason.PROVIDER)
    return fail(ctx, job, "poison", error.model_copy(update={"reason": reason}))
