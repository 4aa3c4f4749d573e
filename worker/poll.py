"""Poll: ask how a task is doing, on the schedule of countdowns and then on a slow tail."""

from __future__ import annotations

import random
import time
from functools import partial

from ..config.logs import get_logger
from ..errors import ImageQueueError, MoveRefusedError
from ..jobs.job import Job, JobError, Reason, State, after
from ..jobs.schedule import next_poll
from ..providers import get as get_provider
from ..providers.wire import Failed, Report, Succeeded, Unavailable, UnreadableError
from .calls import LOOKUP_TIMEOUT_S, send
from .context import Context
from .http import NoAnswerError, NotSentError
from .settle import failed, settle

log = get_logger(__name__)

# A look-up that failed says nothing about the task: it is asked again before the next countdown.
LOOKUP_RETRY_S = 30.0


def poll(ctx: Context, job_id: str) -> float | None:
    """Look after a waiting job; returns the seconds to its next poll, if there is one."""
    job = ctx.load(job_id)
    if job.state is State.UNCONFIRMED:
        ctx.move(job_id, partial(_never_confirmed, ctx))
        return None
    if job.state not in (State.WAITING, State.OVERDUE):
        raise MoveRefusedError(f"{job_id} is {job.state}: there is nothing to ask")
    report = _look_up(ctx, job)
    log.info("polled", answer=type(report).__name__)
    if isinstance(report, Succeeded | Failed):
        settle(ctx, job_id, report, cause="poll")
        return None
    return _wait(ctx, job, report)


def _look_up(ctx: Context, job: Job) -> Report:
    deadline = time.monotonic() + min(LOOKUP_TIMEOUT_S, ctx.settings.lease_s)
    try:
        provider = get_provider(job.provider)
        dialect = job.dialect or provider.dialects[0]
        answer = send(ctx, provider, provider.lookup(job.task_id or "", dialect), deadline)
        return provider.read_lookup(answer, dialect)
    # Without a key or a provider of that name here, the give-up time must be reached all the same.
    except (NotSentError, NoAnswerError, UnreadableError, ImageQueueError) as error:
        return Unavailable(code=type(error).__name__, message=str(error))


def _wait(ctx: Context, job: Job, report: Report) -> float | None:
    """The countdown after a poll that settled nothing: a job past its last one becomes overdue."""
    settings = ctx.settings
    elapsed_s = (ctx.now() - job.accepted_at).total_seconds()
    if elapsed_s >= settings.give_up_after_s:
        ctx.move(job.id, partial(_timed_out, ctx, report))
        return None
    coming = next_poll(elapsed_s, settings.poll_countdowns, settings.poll_tail_s)
    in_s = min(coming.in_s, settings.give_up_after_s - elapsed_s)
    if isinstance(report, Unavailable):
        log.warning("look-up failed", code=report.code, error=report.message)
        # Spread out, or a provider that had a bad minute gets the next one all at once.
        soon_s = (report.retry_after_s or LOOKUP_RETRY_S) * random.uniform(1, 2)  # noqa: S311
        in_s = min(in_s, soon_s)
    if coming.overdue and job.state is State.WAITING:
        ctx.move(job.id, partial(_overdue, ctx, in_s))
    return in_s


def _overdue(ctx: Context, in_s: float, job: Job) -> Job:
    now = ctx.now()
    return job.to(State.OVERDUE, "countdowns used up", now, after(now, in_s))


def _timed_out(ctx: Context, report: Report, job: Job) -> Job:
    message = getattr(report, "message", "") or "the provider still calls it unfinished"
    error = JobError(reason=Reason.TIMED_OUT, message=message)
    return failed(ctx, job, "gave up", error)


def _never_confirmed(ctx: Context, job: Job) -> Job:
    if job.state is not State.UNCONFIRMED or ctx.now() < job.wake_at:
        raise MoveRefusedError(f"{job.id} is {job.state}: its callback may still come")
    error = job.error or JobError(reason=Reason.UNCONFIRMED)
    return failed(ctx, job, "never confirmed", error)
