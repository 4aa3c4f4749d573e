"""Callback: read the callbacks that the receiver stored for a job, and apply them to the job.

Early, late, repeated, forged and mismatched callbacks are ordinary cases, each with an outcome that
is counted. A callback with nothing new is acknowledged; one that could not be used goes to
the quarantine. One that the provider has yet to confirm stays, and is read again.
"""

from __future__ import annotations

from dataclasses import replace

from ..config.logging import get_logger
from ..errors import InvalidTransitionError, UnknownJobError
from ..jobs.callback import Callback, Outcome
from ..jobs.job import Job, State
from ..providers import get as get_provider
from ..providers.account import SignatureError
from ..providers.wire import (
    Failed,
    MalformedResponseError,
    Pending,
    Succeeded,
    TaskStatus,
    Unreadable,
    is_same_task,
)
from .apply_status import (
    DifferentTaskError,
    apply_status,
    has_images,
    has_second_result,
    require_own_task,
)
from .callback_trust import (
    CONFIRM_RETRY_S,
    ConfirmationUnavailableError,
    UntrustedError,
    confirm,
    require_signature,
)
from .context import Context
from .saving.unreadable import mark_unreadable, parse_stored

log = get_logger(__name__)

MAX_TASK_ID = 200


def read_callbacks(ctx: Context, job_id: str) -> float | None:
    """Read a job's callbacks in order of arrival; raises the last unexpected error, if any.

    Returns the seconds until those that could not be confirmed yet are read again, or None.
    """
    outcomes: dict[bytes, Outcome] = {}
    failure, retry_in = None, None
    for entry, callback in ctx.inbox.list_unread(job_id).items():
        try:
            outcomes[entry] = _read(ctx, job_id, callback)
        except ConfirmationUnavailableError:
            retry_in = CONFIRM_RETRY_S
        except Exception as error:
            # This callback stays unread, and those after it are read all the same.
            failure = error
    ctx.inbox.acknowledge(job_id, outcomes)
    if failure:
        raise failure
    return retry_in


def _read(ctx: Context, job_id: str, callback: Callback) -> Outcome:
    """Apply one callback to the job; returns how that ended."""
    why = ""
    try:
        job = ctx.load(job_id)
        status = _parse_trusted(ctx, job, callback)
        outcome = _apply_and_classify(ctx, job, status)
    except UnknownJobError:
        outcome = Outcome.ORPHANED
    except DifferentTaskError as error:
        outcome, why = Outcome.MISMATCHED, str(error)
    except MalformedResponseError as error:
        outcome, why = Outcome.UNREADABLE, str(error)
    except (UntrustedError, SignatureError) as error:
        outcome, why = Outcome.UNTRUSTED, str(error)
    event = "callback_quarantined" if outcome.is_quarantined else "callback_read"
    log.info(event, outcome=outcome.value, why=why)
    return outcome


def _parse_trusted(ctx: Context, job: Job, callback: Callback) -> TaskStatus:
    """Return the status that a callback reports, once it is signed or confirmed as required."""
    if (stored := parse_stored(job, callback)) is not None:
        return _require_readable(ctx, job, stored)
    status = get_provider(job.provider, job.params).parse_callback(callback.body)
    if not isinstance(status, Pending | Succeeded | Failed | Unreadable):
        raise MalformedResponseError(f"a callback that reports {type(status).__name__}")
    if len(status.task_id or "") > MAX_TASK_ID:
        raise MalformedResponseError(f"a task id of more than {MAX_TASK_ID} characters")
    require_signature(ctx, job, callback, status.task_id or "")
    status = _require_readable(ctx, job, _name_known_task(job, status))
    require_own_task(job, status)
    # Nothing in a callback is acted on once the images are known.
    if job.all_images or not isinstance(status, Succeeded | Failed):
        return status
    return confirm(ctx, job, status, callback.at)


def _name_known_task(job: Job, status: Pending | Succeeded | Failed | Unreadable) -> TaskStatus:
    """Return a status with the id of its task as the job has it."""
    reported_id = status.task_id or ""
    for task_id in (job.task_id or "", *job.former_tasks):
        if is_same_task(task_id, reported_id):
            return replace(status, task_id=task_id)
    return status


def _require_readable(ctx: Context, job: Job, status: TaskStatus) -> TaskStatus:
    """Return the status; raises MalformedResponseError for a success that cannot be read."""
    if isinstance(status, Unreadable):
        mark_unreadable(ctx, job, status, "callback")
        raise MalformedResponseError(status.message)
    return status


def _apply_and_classify(ctx: Context, job: Job, status: TaskStatus) -> Outcome:
    try:
        job = apply_status(ctx, job, status, cause="callback")
    except DifferentTaskError:
        raise
    except InvalidTransitionError:
        known = _is_known(ctx.store.get(job.id), status)
        return Outcome.DUPLICATE if known else Outcome.ORPHANED
    match status:
        case Failed() if job.state is not State.FAILED:
            return Outcome.CONTRADICTED
        case Succeeded(task_id=task_id) if has_second_result(job, task_id):
            return Outcome.MISMATCHED
        case _:
            return Outcome.SETTLED


def _is_known(job: Job, status: TaskStatus) -> bool:
    """Whether the job's record already holds what the status says."""
    match status:
        case Succeeded(task_id=task_id) if has_second_result(job, task_id):
            return True
        case Succeeded():
            return has_images(job, status)
        case Failed(code=code):
            return bool(job.all_images) or (job.error is not None and job.error.code == code)
        case _:
            return True
