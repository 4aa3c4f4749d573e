"""The commands on a job, cancel, retry and acknowledge, and what each costs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from ..errors import InvalidTransitionError
from ..jobs.image import split_images
from ..jobs.job import RETRY, TRANSITIONS, Charged, Image, Job, JobError, Reason, State

FREE = "free of charge"
STANDS = "the charge stands; a result that arrives is still recorded"
MAY_STAND = "the charge may stand; a result that arrives is still recorded"


class Action(StrEnum):
    """What a user can do with a job."""

    CANCEL = "cancel"
    RETRY = "retry"
    ACKNOWLEDGE = "acknowledge"


class Charge(StrEnum):
    """What a command means for the bill."""

    NOTHING = "nothing"
    """Free of charge."""
    FIRST = "first"
    """Sent again; nothing was charged before."""
    AGAIN = "again"
    """Sent again, which is charged a second time."""
    MAYBE_AGAIN = "maybe_again"
    """Sent again, which may be charged a second time."""
    STANDS = "stands"
    """The charge stands."""
    MAY_STAND = "may_stand"
    """The charge, if there is one, stands."""


STATES_FOR: dict[Action, frozenset[State]] = {
    Action.CANCEL: frozenset(
        state for state, targets in TRANSITIONS.items() if State.CANCELLED in targets
    ),
    Action.RETRY: frozenset({State.UNSAVED, State.FAILED, State.UNCONFIRMED}),
    Action.ACKNOWLEDGE: frozenset({State.UNSAVED}),
}
"""The states that a job may have for a command; a paid retry needs permission as well."""
_REFUSALS = {
    Action.CANCEL: "it cannot be cancelled",
    Action.RETRY: "there is nothing to retry",
    Action.ACKNOWLEDGE: "only an unsaved job can be acknowledged",
}


def apply(
    action: Action, job: Job, at: datetime, delete_at: datetime, *, pay_again: bool = False
) -> Job:
    """Return the job after a command; raises InvalidTransitionError as the commands below do."""
    match action:
        case Action.CANCEL:
            return cancel(job, at, delete_at)
        case Action.RETRY:
            return retry(job, at, pay_again=pay_again)
        case Action.ACKNOWLEDGE:
            return acknowledge(job, at, delete_at)


def count_actions(counts: Mapping[State, int]) -> dict[Action, int]:
    """Return how many jobs each command may apply to, without those that it applies to none of."""
    found = {
        action: sum(counts.get(state, 0) for state in states)
        for action, states in STATES_FOR.items()
    }
    return {action: count for action, count in found.items() if count}


def explain_refusal(action: Action, state: State) -> str:
    """Return why a command does not apply to jobs in a state, to be read after their id."""
    return f"is {state}: {_REFUSALS[action]}"


def cancel(job: Job, at: datetime, delete_at: datetime) -> Job:
    """Cancel a job; raises InvalidTransitionError if it is submitting, downloading or finished."""
    _require_state(Action.CANCEL, job)
    error = JobError(reason=Reason.CANCELLED, message=_describe_charge(job))
    return job.transition_to(State.CANCELLED, "cancel", at, delete_at, error=error)


def retry(job: Job, at: datetime, *, pay_again: bool) -> Job:
    """Start a job again; raises InvalidTransitionError if that costs without `pay_again`."""
    _require_state(Action.RETRY, job)
    if not is_paid_retry(job):
        fields = split_images(map(_reset_image, job.all_images))
        return job.transition_to(State.DOWNLOADING, RETRY, at, at, error=None, **fields)
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
        "origins": (),
    }
    return job.transition_to(State.QUEUED, RETRY, at, at, former_tasks=former, **reset)


def acknowledge(job: Job, at: datetime, delete_at: datetime) -> Job:
    """End an unsaved job that nobody will save; a retry still downloads its images.

    Raises InvalidTransitionError if the job is not unsaved.
    """
    _require_state(Action.ACKNOWLEDGE, job)
    error = (job.error or JobError()).model_copy(update={"reason": Reason.UNSAVED})
    return job.transition_to(State.FAILED, "acknowledge", at, delete_at, error=error)


def _require_state(action: Action, job: Job) -> None:
    if job.state not in STATES_FOR[action]:
        raise InvalidTransitionError(f"{job.id} {explain_refusal(action, job.state)}")


def is_acknowledged(job: Job) -> bool:
    """Return whether the job ended because a user acknowledged that it is not saved."""
    is_unsaved = job.error is not None and job.error.reason is Reason.UNSAVED
    return job.state is State.FAILED and is_unsaved


def is_paid_retry(job: Job) -> bool:
    """Return whether a retry of the job would be sent, and paid for, again."""
    return job.state in (State.FAILED, State.UNCONFIRMED) and not is_acknowledged(job)


def needs_pay_again(job: Job) -> bool:
    """Whether a retry of the job may pay for it a second time."""
    return is_paid_retry(job) and job.charged is not Charged.NO


def find_charge(action: Action, after: Job) -> Charge:
    """Return what a command means for the bill of a job, given as the command leaves it."""
    match action:
        case Action.RETRY if after.state is State.DOWNLOADING:
            return Charge.NOTHING
        case Action.RETRY:
            charges = (Charge.FIRST, Charge.AGAIN, Charge.MAYBE_AGAIN)
        case _:
            charges = (Charge.NOTHING, Charge.STANDS, Charge.MAY_STAND)
    return dict(zip((Charged.NO, Charged.YES, Charged.UNKNOWN), charges, strict=True))[
        after.charged
    ]


def describe_result(action: Action, after: Job) -> str:
    """Return what a command means, in one line, for a job that it has changed."""
    match action:
        case Action.CANCEL:
            return after.error.message if after.error else ""
        case Action.RETRY:
            return cost_of_retry(after)
        case Action.ACKNOWLEDGE:
            return f"its alert ends; a retry still downloads its images, {FREE}"


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
    """Mark an image for another download, unless it is stored or was never to be."""
    if image.state in ("stored", "skipped"):
        return image
    return image.model_copy(update={"state": "pending", "attempts": 0})
