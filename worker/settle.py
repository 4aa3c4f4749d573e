"""Settle: where callback and poll meet; whoever comes second finds its move refused.

Where they contradict each other, pictures win, whoever comes first: a success revives a failed job,
and a failure of a job whose pictures are known is with_note in its history and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ..errors import InvalidTransitionError
from ..jobs.job import FINISHED, PROVISIONAL, Image, Job, JobError, Reason, State, add_seconds
from ..jobs.schedule import countdowns_for
from ..providers.wire import Failed, Pending, ResultImage, Succeeded, TaskStatus
from .context import Context


class DifferentTaskError(InvalidTransitionError):
    """The report is on another task than the one that its job waits for."""


def settle(ctx: Context, job: Job, report: TaskStatus, cause: str) -> Job:
    """Give a job what its provider reports; raises InvalidTransitionError if that changes nothing."""
    return ctx.transition(job, partial(apply_status, ctx, report, cause))


def apply_status(ctx: Context, report: TaskStatus, cause: str, job: Job) -> Job:
    """The job after a report; raises InvalidTransitionError if that changes nothing."""
    _require_news(job, report)
    match report:
        case Succeeded(images=images, task_id=task_id):
            return start_download(ctx, job, cause, images, task_id)
        case Failed(code=code) if job.images:
            return _noted(ctx, job, f"{cause} reported a failure: {code}")
        case Failed(reason=reason, code=code, message=message, task_id=task_id):
            error = JobError(reason=Reason(reason), code=code, message=message)
            return failed(ctx, job, cause, error, task_id=job.task_id or task_id)
        case Pending(task_id=task_id) if task_id and job.task_id is None:
            # A submission whose answer was lost was taken after all.
            now = ctx.now()
            first_poll = add_seconds(
                now, countdowns_for(job.delivery, ctx.settings.poll_countdowns)[0]
            )
            return job.transition_to(
                State.WAITING, cause, now, first_poll, task_id=task_id, error=None
            )
        case _:
            raise InvalidTransitionError(f"{job.id} is {job.state}: nothing new was reported")


def start_download(
    ctx: Context, job: Job, cause: str, images: Iterable[ResultImage], task_id: str | None
) -> Job:
    """The job with its result URLs known, to be downloaded at once."""
    now = ctx.now()
    known = tuple(
        Image(
            index=index,
            kind=image.kind,
            source_url=image.url,
            expires_at=add_seconds(now, image.lifetime_s or ctx.settings.url_lifetime_s),
        )
        for index, image in enumerate(images)
    )
    fields = {"images": known, "task_id": job.task_id or task_id}
    if job.state is State.CANCELLED and not job.images:
        return job.evolve(job.wake_at, **fields)
    if job.error and job.state is State.FAILED and job.error.reason not in PROVISIONAL:
        job = _noted(ctx, job, f"{cause} contradicts the failure: {job.error.code}")
    return job.transition_to(State.DOWNLOADING, cause, now, now, error=None, **fields)


def failed(ctx: Context, job: Job, cause: str, error: JobError, **fields: object) -> Job:
    """The job ended, with the reason on record until its retention is over."""
    now = ctx.now()
    over = add_seconds(now, ctx.settings.retention_s)
    return job.transition_to(State.FAILED, cause, now, over, error=error, **fields)


def _noted(ctx: Context, job: Job, cause: str) -> Job:
    """The job with a contradiction on record; it wakes no earlier than it would have."""
    now = ctx.now()
    lease = add_seconds(now, ctx.settings.lease_s)
    return job.with_note(cause, now, job.wake_at if job.state in FINISHED else lease)


def _require_news(job: Job, report: TaskStatus) -> None:
    """Refuse a report on another task than the one that this job waits for."""
    task_id = getattr(report, "task_id", None)
    if job.state is State.QUEUED or task_id in job.former_tasks:
        raise DifferentTaskError(f"{job.id} is to be submitted again: the report is of an old task")
    if job.task_id and task_id and job.task_id != task_id:
        raise DifferentTaskError(f"{job.id} is task {job.task_id}: the report names another one")
    if job.state is State.SUBMITTING and task_id is None and isinstance(report, Failed):
        raise InvalidTransitionError(
            f"{job.id} is being submitted: the failure may be an older one's"
        )
