"""Look up tasks at their provider. Every failure becomes a StatusUnavailable, never an error."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from ..errors import ImageQueueError
from ..jobs.job import Job
from ..providers import get as get_provider
from ..providers.base import BatchProvider
from ..providers.wire import (
    Failed,
    MalformedResponseError,
    Pending,
    StatusUnavailable,
    Succeeded,
    TaskNotFound,
    TaskStatus,
    Unreadable,
    is_same_task,
)
from .context import Context
from .http.errors import NoResponseError, NotSentError
from .provider_api import LOOKUP_TIMEOUT_S, call_provider

# ImageQueueError: even with its provider or its key unset, a job has to reach its timeout.
TASK_STATUSES = (Pending, Succeeded, Failed, Unreadable)
LOOKUP_FAILURES = (NotSentError, NoResponseError, MalformedResponseError, ImageQueueError)


def look_up(ctx: Context, job: Job, task_id: str | None = None) -> TaskStatus:
    """Return what the provider says about a task, by default the job's own."""
    body = ""
    try:
        provider = get_provider(job.provider, job.params)
        task_id = task_id or job.task_id or ""
        api_version = job.api_version or provider.api_versions[0]
        request = provider.build_status_request(task_id, api_version)
        response = call_provider(ctx, job, request, _lookup_deadline(ctx))
        body = response.body.decode(errors="surrogateescape") if response.status == 200 else ""
        status = _name_task(provider.parse_status_response(response, api_version), task_id)
        return replace(status, body=body) if isinstance(status, Unreadable) else status
    except MalformedResponseError as error:
        return replace(_to_unavailable(error), body=body)
    except LOOKUP_FAILURES as error:
        return _to_unavailable(error)


def look_up_batch(ctx: Context, provider: BatchProvider, jobs: Sequence[Job]) -> list[TaskStatus]:
    """Return what the provider says about the task of each job; all have the same key."""
    task_ids = [job.task_id or "" for job in jobs]
    try:
        request = provider.build_batch_status_request(task_ids)
        response = call_provider(ctx, jobs[0], request, _lookup_deadline(ctx))
        statuses = provider.parse_batch_status_response(response)
    except LOOKUP_FAILURES as error:
        statuses = _to_unavailable(error)
    if isinstance(statuses, StatusUnavailable):
        return [statuses] * len(jobs)
    missing = TaskNotFound(message="the response does not name this task")
    return [_name_task(statuses.get(task_id, missing), task_id) for task_id in task_ids]


def _name_task(status: TaskStatus, task_id: str) -> TaskStatus:
    """Return a status with the id of the task that was asked for."""
    if not isinstance(status, TASK_STATUSES) or status.task_id == task_id:
        return status
    if status.task_id and not is_same_task(task_id, status.task_id):
        return StatusUnavailable(code="mismatched", message="the response is about another task")
    return replace(status, task_id=task_id)


def _lookup_deadline(ctx: Context) -> float:
    return time.monotonic() + min(LOOKUP_TIMEOUT_S, ctx.settings.lease_s)


def _to_unavailable(error: Exception) -> StatusUnavailable:
    return StatusUnavailable(code=type(error).__name__, message=str(error))
