"""Settle: where callback and poll meet; whoever comes second finds its move refused."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ..errors import MoveRefusedError
from ..jobs.job import Image, Job, JobError, Reason, State, after
from ..providers.wire import Failed, Pending, Report, ResultImage, Succeeded
from .context import Context


def settle(ctx: Context, job_id: str, report: Report, cause: str) -> Job:
    """Give a job what its provider reports; raises MoveRefusedError if that changes nothing."""
    return ctx.move(job_id, partial(_settled, ctx, report, cause))


def _settled(ctx: Context, report: Report, cause: str, job: Job) -> Job:
    _require_news(job, report)
    match report:
        case Succeeded(images=images, task_id=task_id):
            return with_images(ctx, job, cause, images, task_id)
        case Failed(reason=reason, code=code, message=message, task_id=task_id):
            error = JobError(reason=Reason(reason), code=code, message=message)
            return failed(ctx, job, cause, error, task_id=job.task_id or task_id)
        case Pending(task_id=task_id) if task_id and job.task_id is None:
            # A submission whose answer was lost was taken after all.
            now = ctx.now()
            first_poll = after(now, ctx.settings.poll_countdowns[0])
            return job.to(State.WAITING, cause, now, first_poll, task_id=task_id, error=None)
        case _:
            raise MoveRefusedError(f"{job.id} is {job.state}: nothing new was reported")


def with_images(
    ctx: Context, job: Job, cause: str, images: Iterable[ResultImage], task_id: str | None
) -> Job:
    """The job with its result URLs known, to be downloaded at once."""
    now = ctx.now()
    known = tuple(
        Image(
            index=index,
            kind=image.kind,
            source_url=image.url,
            expires_at=after(now, image.lifetime_s),
        )
        for index, image in enumerate(images)
    )
    fields = {"images": known, "task_id": job.task_id or task_id}
    if job.state is State.CANCELLED and not job.images:
        return job.amended(job.wake_at, **fields)
    return job.to(State.DOWNLOADING, cause, now, now, error=None, **fields)


def failed(ctx: Context, job: Job, cause: str, error: JobError, **fields: object) -> Job:
    """The job ended, with the reason on record until its retention is over."""
    now = ctx.now()
    over = after(now, ctx.settings.retention_s)
    return job.to(State.FAILED, cause, now, over, error=error, **fields)


def _require_news(job: Job, report: Report) -> None:
    """Refuse a report on another task than the one that this job waits for."""
    task_id = getattr(report, "task_id", None)
    if job.state is State.QUEUED or task_id in job.former_tasks:
        raise MoveRefusedError(f"{job.id} is to be submitted again: the report is of an old task")
    if job.task_id and task_id and job.task_id != task_id:
        raise MoveRefusedError(f"{job.id} is task {job.task_id}: the report names another one")
    if job.state is State.SUBMITTING and task_id is None and isinstance(report, Failed):
        raise MoveRefusedError(f"{job.id} is being submitted: the failure may be an older one's")
