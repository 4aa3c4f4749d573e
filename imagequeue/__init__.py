"""imagequeue: a self-hosted job queue for paid image-generation APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import (
    ApiKeyError,
    BudgetExceededError,
    ConfigError,
    IdempotencyConflictError,
    ImageQueueError,
    InvalidRequestError,
    InvalidTransitionError,
    LimitError,
    NewerRecordError,
    NotDurableError,
    NotFoundError,
    Problem,
    RedisUnavailableError,
    UnknownBatchError,
    UnknownCallbackError,
    UnknownJobError,
    UnknownPauseError,
    UnreadableJobError,
    UnreadableRecordError,
    UploadError,
)

if TYPE_CHECKING:
    from .config.settings import Settings
    from .jobs.batch import Batch
    from .jobs.filter import JobFilter
    from .jobs.job import Image, Job, Reason, State
    from .jobs.upload import Upload
    from .producer.bulk_report import BulkReport
    from .producer.client import Client
    from .producer.submission import SubmittedBatch
    from .producer.validation import RefusedRequest
    from .store.listing import Page

__version__ = "0.1.0"
__all__ = [
    "Client",
    "Settings",
    "Job",
    "Image",
    "State",
    "Reason",
    "Page",
    "Batch",
    "JobFilter",
    "BulkReport",
    "SubmittedBatch",
    "Upload",
    "RefusedRequest",
    "ImageQueueError",
    "ConfigError",
    "InvalidRequestError",
    "Problem",
    "IdempotencyConflictError",
    "LimitError",
    "BudgetExceededError",
    "UploadError",
    "InvalidTransitionError",
    "NotFoundError",
    "UnknownJobError",
    "UnreadableJobError",
    "UnreadableRecordError",
    "NewerRecordError",
    "UnknownBatchError",
    "UnknownPauseError",
    "UnknownCallbackError",
    "ApiKeyError",
    "RedisUnavailableError",
    "NotDurableError",
]

# Imported on first use: Celery and pydantic take longer to import than `--help` may take.
_LAZY = {
    "Client": "producer.client",
    "Settings": "config.settings",
    "Job": "jobs.job",
    "Image": "jobs.job",
    "State": "jobs.job",
    "Reason": "jobs.job",
    "Page": "store.listing",
    "Batch": "jobs.batch",
    "JobFilter": "jobs.filter",
    "BulkReport": "producer.bulk_report",
    "SubmittedBatch": "producer.submission",
    "Upload": "jobs.upload",
    "RefusedRequest": "producer.validation",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
