"""Apply what a provider says about a task to its job, whether a poll or a callback says it.

A success starts the download, a failure ends the job. The transition is a compare-and-set, so a
second report finds nothing left to do and is refused. Where reports contradict each other, images
win: a success of any task of the job starts the download, also from a failed job and from one that
is about to be sent again. Once images are known, any other report is only a history note.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any

from ..config.settings import Settings
from ..errors import InvalidTransitionError
from ..jobs.charge import Charged
from ..jobs.cost import find_submission, put_cost
from ..jobs.image import split_images
from ..jobs.job import FINISHED, PROVISIONAL, Image, Job, JobError, Reason, State, add_seconds
from ..jobs.schedule import countdowns_for, put_first
from ..providers import find as find_provider
from ..providers.wire import (
    Accepted,
    Failed,
    InlineImage,
    Pending,
    ResultImage,
    Succeeded,
    TaskStatus,
    is_same_task,
    select_images,
)
from ..store.images.inline import LIFETIME_S
from .context import Context


class DifferentTaskError(InvalidTransitionError):
    """The status is of another task than the one that the job waits for."""


def apply_status(ctx: Context, job: Job, status: TaskStatus, cause: str) -> Job:
    """Apply a task's status to its job; raises InvalidTransitionError if that changes nothing."""
    return ctx.transition(job, partial(as_reported, ctx, status, cause))


def as_reported(ctx: Context, status: TaskStatus, cause: str, job: Job) -> Job:
    """Return the job after a status; raises InvalidTransitionError if that changes nothing."""
    require_own_task(job, status)
    match status:
        case Succeeded() if job.all_images:
            return _note_second_result(ctx, job, status, cause)
        case Succeeded():
            return as_downloading(ctx, job, cause, status)
        case Failed(code=code) if job.all_images:
            return with_note(ctx, job, f"{cause} reported a failure: {code}")
        case Failed(task_id=None) if job.state is State.SUBMITTING:
            raise InvalidTransitionError(f"{job.id} is being submitted: the failure names no task")
        case Failed(reason=reason, code=code, message=message, task_id=task_id, cost=cost):
            error = JobError(reason=Reason(reason), code=code, message=message)
            return as_failed(ctx, job, cause, error, task_id=job.task_id or task_id, cost=cost)
        case Pending(task_id=task_id) if task_id and job.task_id is None:
            # The response to the submission was lost, but the provider had accepted it.
            return as_waiting(ctx, job, cause, task_id)
        case _:
            raise InvalidTransitionError(f"{job.id} is {job.state}: nothing new was reported")


def require_own_task(job: Job, status: TaskStatus) -> None:
    """Raise DifferentTaskError if a status may be of a task that it must not be applied for.

    Images of any task of the job are welcome. Everything else has to be of its latest task.
    """
    task_id = getattr(status, "task_id", None)
    is_other = bool(job.task_id and task_id and task_id != job.task_id)
    if isinstance(status, Succeeded):
        if not job.was_sent:
            raise DifferentTaskError(f"{job.id} was never sent")
        if is_other and task_id not in job.former_tasks and not job.has_lost_task:
            raise DifferentTaskError(f"{job.id} is task {job.task_id}: the status names another")
        return
    if job.state is State.QUEUED or task_id in job.former_tasks:
        raise DifferentTaskError(f"{job.id} is to be submitted again: the status is of an old task")
    if is_other:
        raise DifferentTaskError(f"{job.id} is task {job.task_id}: the status names another")
    is_open = job.task_id is None or task_id is None
    if job.state is State.UNCONFIRMED and isinstance(status, Pending):
        return  # Either task may be polled: the images of the other one are welcome too.
    if is_open and (job.has_lost_task or (task_id is None and job.former_tasks)):
        raise DifferentTaskError(f"{job.id} was sent before: the status may be of that task")


def require_queued(job: Job) -> None:
    """Raise InvalidTransitionError for a job that another worker has taken from the queue."""
    if job.state is not State.QUEUED:
        raise InvalidTransitionError(f"{job.id} is {job.state}: another worker has submitted it")


def is_known_task(job: Job, task_id: str) -> bool:
    """Whether a task is the job's own or a former one, perhaps by the id of a report alone."""
    return any(is_same_task(task_id, each or "") for each in (job.task_id, *job.former_tasks))


def as_waiting(
    ctx: Context, job: Job, cause: str, task_id: str, cost: Decimal | None = None
) -> Job:
    """Return the job waiting for its task, with its first poll scheduled."""
    now = ctx.now()
    first_poll = add_seconds(now, get_countdowns(ctx.settings, job)[0])
    known = {"task_id": task_id, "error": None}
    return job.transition_to(State.WAITING, cause, now, first_poll, cost, **known)


def get_countdowns(settings: Settings, job: Job) -> Sequence[float]:
    """Return the countdowns of a job's polls: the provider's own, or those of all jobs."""
    provider = find_provider(job.provider, job.params)
    own = settings.account(provider.account).poll_delays if provider else ()
    countdowns = countdowns_for(job.delivery, own or settings.poll_countdowns)
    if own or provider is None or job.delivery != "poll":
        return countdowns
    # One poll more, before the others: status requests are free.
    return put_first(provider.get_first_poll_s(job.params), countdowns)


def as_downloading(ctx: Context, job: Job, cause: str, result: Succeeded | Accepted) -> Job:
    """Return the job with its result URLs, due for download now; inline images are stored first.

    A cancelled job stays cancelled, and gets the URLs on record. Images beyond MAX_IMAGES are
    left out, and the history says so. Origins are downloaded only if a setting says so.
    """
    now, selected = ctx.now(), select_images(result.images)
    task_id, cost = result.task_id, result.cost
    if len(selected) < (distinct := len({image.url for image in result.images})):
        cause = f"{cause}, with the first {len(selected)} of {distinct} images"
    found = [
        Image(
            index=index,
            kind=image.kind,
            source_url=image.url,
            expires_at=add_seconds(now, _get_lifetime_s(ctx, image)),
            state="pending" if ctx.settings.save_origins or image.kind == "result" else "skipped",
        )
        for index, image in enumerate(selected)
    ]
    for image in selected:
        if isinstance(image, InlineImage):
            ctx.inline_images.put(job.id, image.url, image.content)
    fields = {**split_images(found), **_assign_task(job, task_id), "result_id": result.result_id}
    if job.state is State.CANCELLED:
        submission = find_submission(job, job.costs, task_id)
        costs = put_cost(job, job.costs, submission, Charged.YES, task_id, cost)
        return job.evolve(job.wake_at, costs=costs, **fields)
    if job.error and job.state is State.FAILED and job.error.reason not in PROVISIONAL:
        with suppress(InvalidTransitionError):  # a full history must not cost the images
            job = with_note(ctx, job, f"{cause} contradicts the failure: {job.error.code}")
    return job.transition_to(State.DOWNLOADING, cause, now, now, cost, error=None, **fields)


def _get_lifetime_s(ctx: Context, image: ResultImage) -> float:
    if isinstance(image, InlineImage):
        return LIFETIME_S
    return image.lifetime_s or ctx.settings.url_lifetime_s


def _assign_task(job: Job, task_id: str | None) -> dict[str, Any]:
    """Return the fields of a job whose images are those of `task_id`, by default of its own."""
    task_id = task_id or job.task_id
    others = (*job.former_tasks, job.task_id or "")
    former = tuple(dict.fromkeys(each for each in others if each and each != task_id))
    return {"task_id": task_id, "former_tasks": former}


def _note_second_result(ctx: Context, job: Job, status: Succeeded, cause: str) -> Job:
    """Return the job with a note that another task of it succeeded too, and was charged.

    Raises InvalidTransitionError if that is known already.
    """
    if has_images(job, status):
        raise InvalidTransitionError(f"{job.id} has these images already")
    if status.task_id is None or status.task_id == job.task_id:
        raise InvalidTransitionError(f"{job.id} has the images of this task already")
    return with_note(ctx, job, f"{cause} {_describe_second_result(status.task_id)}")


def has_images(job: Job, status: Succeeded) -> bool:
    """Whether the job has all images of a status that a job takes."""
    known = {image.source_url for image in job.all_images}
    return all(image.url in known for image in select_images(status.images))


def _describe_second_result(task_id: str | None) -> str:
    return f"reported images of task {task_id} as well"


def has_second_result(job: Job, task_id: str | None) -> bool:
    """Whether the history has a note that this task succeeded too."""
    note = _describe_second_result(task_id)
    return any(change.cause.endswith(note) for change in job.changes)


def as_failed(ctx: Context, job: Job, cause: str, error: JobError, **fields: Any) -> Job:
    """Return the job failed for the reason in `error`, to be deleted after its retention."""
    now = ctx.now()
    expires_at = add_seconds(now, ctx.settings.finished_s)
    return job.transition_to(State.FAILED, cause, now, expires_at, error=error, **fields)


def with_note(ctx: Context, job: Job, cause: str, **fields: object) -> Job:
    """Return the job with a note in its history, and no earlier wake-up.

    Raises InvalidTransitionError if the note is there already, or the history is full.
    """
    now = ctx.now()
    # The due set may have a later time than the record: a dispatched job is leased.
    lease = max(job.wake_at, add_seconds(now, ctx.settings.lease_s))
    wake_at = job.wake_at if job.state in FINISHED else lease
    return job.with_note(cause, now, wake_at).model_copy(update=fields)
