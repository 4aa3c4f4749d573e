"""Settle: apply what a provider says about a task to its job, whether a poll or a callback says it.

A success starts the download, a failure ends the job. The transition is a compare-and-set, so a
second report finds nothing left to do and is refused. Where reports contradict each other, images
win: a success revives a failed job, and a failure of a job with images is only a history note.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ..config.logging import get_logger
from ..errors import InvalidTransitionError
from ..jobs.job import FINISHED, PROVISIONAL, Image, Job, JobError, Reason, State, add_seconds
from ..jobs.schedule import countdowns_for
from ..providers.wire import MAX_IMAGES, Failed, Pending, ResultImage, Succeeded, TaskStatus
from .context import Context

log = get_logger(__name__)


class DifferentTaskError(InvalidTransitionError):
    """The status is of another task than the one that the job waits for."""


def settle(ctx: Context, job: Job, status: TaskStatus, cause: str) -> Job:
    """Apply a task's status to its job; raises InvalidTransitionError if that changes nothing."""
    return ctx.transition(job, partial(apply_status, ctx, status, cause))


def apply_status(ctx: Context, status: TaskStatus, cause: str, job: Job) -> Job:
    """Return the job after a status; raises InvalidTransitionError if that changes nothing."""
    _require_same_task(job, status)
    match status:
        case Succeeded(images=images, task_id=task_id):
            return start_download(ctx, job, cause, images, task_id)
        case Failed(code=code) if job.images:
            return _add_note(ctx, job, f"{cause} reported a failure: {code}")
        case Failed(reason=reason, code=code, message=message, task_id=task_id):
            error = JobError(reason=Reason(reason), code=code, message=message)
            return fail(ctx, job, cause, error, task_id=job.task_id or task_id)
        case Pending(task_id=task_id) if task_id and job.task_id is None:
            # The response to the submission was lost, but the provider had accepted it.
            return start_waiting(ctx, job, cause, task_id)
        case _:
            raise InvalidTransitionError(f"{job.id} is {job.state}: nothing new was reported")


def _require_same_task(job: Job, status: TaskStatus) -> None:
    """Raise DifferentTaskError if a status is of another task than the job waits for."""
    task_id = getattr(status, "task_id", None)
    if job.state is State.QUEUED or task_id in job.former_tasks:
        raise DifferentTaskError(f"{job.id} is to be submitted again: the status is of an old task")
    if job.task_id and task_id and job.task_id != task_id:
        raise DifferentTaskError(f"{job.id} is task {job.task_id}: the status names another one")
    if job.state is State.SUBMITTING and task_id is None and isinstance(status, Failed):
        raise InvalidTransitionError(
            f"{job.id} is being submitted: the failure may be of an older task"
        )


def start_waiting(ctx: Context, job: Job, cause: str, task_id: str) -> Job:
    """Return the job waiting for its task, with its first poll scheduled."""
    now = ctx.now()
    countdown_s, *_ = countdowns_for(job.delivery, ctx.settings.poll_countdowns)
    first_poll = add_seconds(now, countdown_s)
    return job.transition_to(State.WAITING, cause, now, first_poll, task_id=task_id, error=None)


def start_download(
    ctx: Context, job: Job, cause: str, images: Iterable[ResultImage], task_id: str | None
) -> Job:
    """Return the job with its result URLs, due for download now.

    A cancelled job stays cancelled, and gets the URLs on record. Images beyond MAX_IMAGES are
    left out, and the history says so.
    """
    now, images = ctx.now(), list(images)
    if len(images) > MAX_IMAGES:
        log.warning("images_left_out", count=len(images) - MAX_IMAGES)
        cause = f"{cause}, with the first {MAX_IMAGES} of {len(images)} images"
        images.sort(key=lambda image: image.kind != "result")
    found = tuple(
        Image(
            index=index,
            kind=image.kind,
            source_url=image.url,
            expires_at=add_seconds(now, image.lifetime_s or ctx.settings.url_lifetime_s),
        )
        for index, image in enumerate(images[:MAX_IMAGES])
    )
    fields = {"images": found, "task_id": job.task_id or task_id}
    if job.state is State.CANCELLED and not job.images:
        return job.evolve(job.wake_at, **fields)
    if job.error and job.state is State.FAILED and job.error.reason not in PROVISIONAL:
        job = _add_note(ctx, job, f"{cause} contradicts the failure: {job.error.code}")
    return job.transition_to(State.DOWNLOADING, cause, now, now, error=None, **fields)


def fail(ctx: Context, job: Job, cause: str, error: JobError, **fields: object) -> Job:
    """Return the job failed for the reason in `error`, to be deleted after its retention."""
    now = ctx.now()
    expires_at = add_seconds(now, ctx.settings.retention_s)
    return job.transition_to(State.FAILED, cause, now, expires_at, error=error, **fields)


def _add_note(ctx: Context, job: Job, cause: str) -> Job:
    """Return the job with a contradiction in its history, and no earlier wake-up."""
    now = ctx.now()
    lease = add_seconds(now, ctx.settings.lease_s)
    return job.with_note(cause, now, job.wake_at if job.state in FINISHED else lease)
