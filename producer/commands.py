"""The moves of a job that a person asks for, and what each of them costs."""

from __future__ import annotations

from datetime import datetime

from ..errors import InvalidTransitionError
from ..jobs.job import RETRY, Image, Job, JobError, Reason, State

FREE = "free of charge"
STANDS = "the charge stands; a result that arrives is still recorded"
MAY_STAND = "the charge may stand; a result that arrives is still recorded"


def cancel(job: Job, at: datetime, over: datetime) -> Job:
    """The job, ended; raises InvalidTransitionError for one that is being sent or saved, or has ended."""
    error = JobError(reason=Reason.CANCELLED, message=_charge(job))
    return job.transition_to(State.CANCELLED, "cancel", at, over, error=error)


def retry(job: Job, at: datetime, *, pay_again: bool) -> Job:
    """The job, under way again; raises InvalidTransitionError where that costs and nobody agreed."""
    if job.state is State.UNSAVED:
        again = tuple(map(_fresh, job.images))
        return job.transition_to(State.DOWNLOADING, RETRY, at, at, images=again, error=None)
    if job.state not in (State.FAILED, State.UNCONFIRMED):
        raise InvalidTransitionError(f"{job.id} is {job.state}: there is nothing to retry")
    if not pay_again:
        raise InvalidTransitionError(
            f"{job.id} is {job.state}: {_price(job)}: give pay_again to allow it"
        )
    former = (*job.former_tasks, job.task_id) if job.task_id else job.former_tasks
    anew = {"attempts": 0, "task_id": None, "api_version": "", "error": None, "images": ()}
    return job.transition_to(State.QUEUED, RETRY, at, at, former_tasks=former, **anew)


def cost_of_retry(job: Job) -> str:
    """What the retry costs that a job is in now."""
    if job.state is State.QUEUED:
        return f"sent to {job.provider} once more, which charges for it again"
    return f"saved from where the pictures are: {FREE}"


def _charge(job: Job) -> str:
    """What a job has cost that is cancelled now."""
    if job.state is State.UNCONFIRMED:
        return MAY_STAND
    if job.state is not State.QUEUED:
        return STANDS
    # It may have been paid for before a person had it sent again.
    return f"nothing was sent{' again' if job.former_tasks else ''}: {FREE}"


def _price(job: Job) -> str:
    """What a retry of an ended job would cost."""
    if job.state is State.UNCONFIRMED:
        return f"a retry may pay twice, for {job.provider} may have charged for it"
    return f"a retry pays again, as {job.provider} charges for it once more"


def _fresh(image: Image) -> Image:
    """An image that was given up, to be tried again; a stored one stays."""
    if image.state == "stored":
        return image
    return image.model_copy(update={"state": "pending", "attempts": 0})
