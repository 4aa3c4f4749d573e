"""Where a job is sent instead, if its provider certainly does not take it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ..json_values import StoredObject
from .history import Change
from .image import Value
from .state import State

if TYPE_CHECKING:
    from .job import Job


class Fallback(Value):
    """Another provider for the same action, prompt and images, with its own parameters."""

    provider: str
    params: StoredObject = Field(default_factory=dict)
    estimate: int | None = Field(None, exclude=True)
    """The expected price of one submission, in millionths of a credit."""


def can_fall_back(job: Job) -> bool:
    """Whether the job has a fallback, and no provider may have a task of it."""
    return bool(job.fallback) and not (job.task_id or job.former_tasks or job.has_lost_task)


def fall_back(job: Job, why: str, at: datetime) -> Job:
    """Return the job queued for its next fallback; it does not come back to its provider."""
    target, *others = job.fallback
    cause = f"fallback to {target.provider}: {why}"
    wake_at = max(at, job.not_before) if job.not_before else at
    fields: dict[str, Any] = {
        "provider": target.provider,
        "params": target.params,
        "estimate": target.estimate,
        "fallback": tuple(others),
        "account_key": "",
        "api_version": "",
        "attempts": 0,
        "error": None,
    }
    if job.state is State.QUEUED:
        changes = (*job.changes, Change(at, State.QUEUED, cause))
        return job.evolve(wake_at, changes=changes, **fields)
    return job.transition_to(State.QUEUED, cause, at, wake_at, **fields)
