"""The commands on a job, cancel and retry, and what each costs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..errors import InvalidTransitionError
from ..jobs.job import RETRY, Charged, Image, Job, JobError, Reason, State

FREE = "free of charge"
STANDS = "the charge stands; a result that arrives is still recorded"
MAY_STAND = "the charge may stand; a result that arrives is still recorded"


def cancel(job: Job, at: datetime, delete_at: datetime) -> Job:
    """Cancel a job; raises InvalidTransitionError if it is submitting, downloading or finished."""
    error = JobError(reason=Reason.CANCELLED, message=_describe_charge(job))
    return job.transition_to(State.CANCELLED, "cancel", at, delete_at, error=error)


def retry(job: Job, at: datetime, *, pay_again: bool) -> Job:
    """Start a job again; raises InvalidTransitionError if that costs without `pay_again`."""
    if job.state is State.UNSAVED:
        images = tuple(map(_reset_image, job.images))
        return job.transition_to(State.DOWNLOADING, RETRY, at, at, images=images, error=None)
    if not is_paid_retry(job):
        raise InvalidTransitionError(f"{job.id} is {job.state}: there is nothing to retry")
    if not pay_again and needs_pay_again(job):
        raise InvalidTransitionError(
            f"{job.id} is {job.state}: {_describe_price(job)}: give pay_again to allow it"
        )
    former = (*job.former_tasks, job.task_id) if job.task_id else job.former_tasks
    reset: dict[str, Any] = {
        "attempts": 0,
        "task_id": None,
        "api_version": "",
        "error": None,
        "images": (),
    }
    return job.transition_to(State.QUEUED, RETRY, at, at, former_tasks=former, **reset)


def is_paid_retry(job: Job) -> bool:
    """Return whether a retry of the job would be sent, and paid for, again."""
    return job.state in (State.FAILED, State.UNCONFIRMED)


def needs_pay_again(job: Job) -> bool:
    """Whether a retry of the job may pay for it a second time."""
    return job.state is not State.UNSAVED and job.charged is not Charged.NO


def cost_of_retry(job: Job) -> str:
    """Return what the retry costs that a job has just started."""
    if job.state is not State.QUEUED:
        return f"downloaded again from the result URLs: {FREE}"
    match job.charged:
        case Charged.NO:
            return f"sent to {job.provider} once more; nothing was charged before"
        case Charged.YES:
            return f"sent to {job.provider} once more, which charges for it again"
        case Charged.UNKNOWN:
            return f"sent to {job.provider} once more, which may charge for it twice"


def _describe_charge(job: Job) -> str:
    """Return what a job has cost when it is cancelled."""
    if job.charged is Charged.NO:
        return f"nothing was {'accepted' if job.was_sent else 'sent'}: {FREE}"
    charge = STANDS if job.charged is Charged.YES else MAY_STAND
    return f"nothing was sent again; {charge}" if job.state is State.QUEUED else charge


def _describe_price(job: Job) -> str:
    """Return what a retry of a failed or unconfirmed job would cost."""
    if job.charged is Charged.UNKNOWN:
        return f"a retry may pay twice, for {job.provider} may have charged for it"
    return f"a retry pays again, as {job.provider} charges for it once more"


def _reset_image(image: Image) -> Image:
    """Mark an image for another download; a stored image stays stored."""
    if image.state == "stored":
        return image
    return image.model_copy(update={"state": "pending", "attempts": 0})
