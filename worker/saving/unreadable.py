"""Successes whose images cannot be read: the body is stored, and read again by a later version.

They are stored as callbacks of their job, so that they end in the quarantine, and can be replayed.
"""

from __future__ import annotations

from functools import partial

from ...config.logging import get_logger
from ...errors import InvalidTransitionError
from ...jobs.callback import Callback
from ...jobs.job import Job, JobError, Reason, State
from ...providers import get as get_provider
from ...providers.wire import (
    Accepted,
    MalformedResponseError,
    OutcomeUnknown,
    Pending,
    ProviderResponse,
    StatusUnavailable,
    Succeeded,
    TaskStatus,
    Unreadable,
)
from ..apply_status import require_own_task, with_note
from ..context import Context

log = get_logger(__name__)

# A header that only workers write: the receiver stores no others than those of signatures.
SOURCE = "imagequeue-source"
# A larger one would fill Redis, and drive everything else out of the quarantine.
MAX_STORED_BYTES = 4 * 1024 * 1024
UNMARKED = (State.QUEUED, State.SUBMITTING, State.CANCELLED)


def is_unreadable(job: Job) -> bool:
    """Whether a success was reported for the job that could not be read."""
    return job.error is not None and job.error.reason is Reason.UNREADABLE


def store_poll_body(ctx: Context, job: Job, status: Unreadable) -> Job:
    """Store what a poll has received, once, and return the job with that as its error."""
    if is_unreadable(job):
        return job
    _put(ctx, job, "status", status.body)
    return mark_unreadable(ctx, job, status, "poll")


def store_last_body(ctx: Context, job: Job, status: StatusUnavailable) -> None:
    """Store what the last poll before the end has received, if that has no known meaning."""
    if status.body:
        _put(ctx, job, "status", status.body)


def store_submit_body(ctx: Context, job: Job, outcome: OutcomeUnknown) -> None:
    """Store a response to a paid request that was successful, but cannot be read."""
    if outcome.body:
        _put(ctx, job, "submit", outcome.body)


def _put(ctx: Context, job: Job, source: str, body: str) -> None:
    log.warning("body_unreadable", source=source, bytes=len(body))
    if len(body) > MAX_STORED_BYTES:
        return
    raw = body.encode(errors="surrogateescape")
    ctx.inbox.put(job.id, Callback(ctx.now(), {SOURCE: source}, raw))


def mark_unreadable(ctx: Context, job: Job, status: Unreadable, cause: str) -> Job:
    """Return the job with a note and its error; unchanged if it has images or the same error."""
    try:
        return ctx.transition(job, partial(_mark, ctx, status, cause))
    except InvalidTransitionError:
        return ctx.store.get(job.id)


def _mark(ctx: Context, status: Unreadable, cause: str, job: Job) -> Job:
    require_own_task(job, Succeeded(images=(), task_id=status.task_id))
    if job.all_images or job.state in UNMARKED or is_unreadable(job):
        raise InvalidTransitionError(f"{job.id} is {job.state}: there is nothing to mark")
    error = JobError(reason=Reason.UNREADABLE, message=status.message)
    return with_note(ctx, job, f"{cause} reported a success that cannot be read", error=error)


def parse_stored(job: Job, callback: Callback) -> TaskStatus | None:
    """Return the status in a body that a worker stored; None for a callback of the provider.

    Raises MalformedResponseError if it still cannot be read.
    """
    source = callback.headers.get(SOURCE)
    if source is None:
        return None
    provider = get_provider(job.provider, job.params)
    api_version = job.api_version or provider.api_versions[0]
    response = ProviderResponse(status=200, body=callback.body)
    if source == "status":
        return provider.parse_status_response(response, api_version)
    outcome = provider.parse_submit_response(response, api_version)
    if not isinstance(outcome, Accepted):
        raise MalformedResponseError("the response to the submission cannot be read")
    if outcome.images:
        return Succeeded(
            images=outcome.images, task_id=outcome.task_id, result_id=outcome.result_id
        )
    return Pending(task_id=outcome.task_id)
