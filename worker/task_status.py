"""Look-up: ask a provider about tasks, and make a report of whatever comes back."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..errors import ImageQueueError
from ..jobs.job import Job
from ..providers import get as get_provider
from ..providers.base import BatchProvider
from ..providers.wire import MalformedResponseError, StatusUnavailable, TaskNotFound, TaskStatus
from .context import Context
from .http.client import NoResponseError, NotSentError
from .provider_api import LOOKUP_TIMEOUT_S, send

# Without a key or a provider of that name here, the give-up time must be reached all the same.
NOTHING_LEARNT = (NotSentError, NoResponseError, MalformedResponseError, ImageQueueError)


def look_up(ctx: Context, job: Job, task_id: str | None = None) -> TaskStatus:
    """What the provider says about a task, the job's own unless another one is named."""
    try:
        provider = get_provider(job.provider)
        api_version = job.api_version or provider.api_versions[0]
        call = provider.build_status_request(task_id or job.task_id or "", api_version)
        return provider.parse_status_response(
            send(ctx, provider, call, _deadline(ctx)), api_version
        )
    except NOTHING_LEARNT as error:
        return _unavailable(error)


def look_up_together(
    ctx: Context, provider: BatchProvider, jobs: Sequence[Job]
) -> list[TaskStatus]:
    """What the provider says about the task of each job, asked in one request."""
    task_ids = [job.task_id or "" for job in jobs]
    try:
        call = provider.build_batch_status_request(task_ids)
        said = provider.parse_batch_status_response(send(ctx, provider, call, _deadline(ctx)))
    except NOTHING_LEARNT as error:
        said = _unavailable(error)
    if isinstance(said, StatusUnavailable):
        return [said] * len(jobs)
    missing = TaskNotFound(message="the answer does not name this task")
    return [said.get(task_id, missing) for task_id in task_ids]


def _deadline(ctx: Context) -> float:
    return time.monotonic() + min(LOOKUP_TIMEOUT_S, ctx.settings.lease_s)


def _unavailable(error: Exception) -> StatusUnavailable:
    return StatusUnavailable(code=type(error).__name__, message=str(error))
