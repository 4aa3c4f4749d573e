"""imagequeue: a self-hosted job queue for paid image-generation APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import (
    AccessError,
    ApiError,
    ApiKeyError,
    ApiUnavailableError,
    ArchiveUnavailableError,
    BudgetExceededError,
    ConfigError,
    IdempotencyConflictError,
    ImageQueueError,
    InvalidRequestError,
    InvalidTransitionError,
    JobFailedError,
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
    from .client._async.client import AsyncClient
    from .client._async.results import AsyncImage, AsyncJob
    from .client._sync.results import Image, Job
    from .client.catalogue import OtherParams, OtherProvider
    from .client.client import Client
    from .client.results import Batch, JobEvent, Provider, RefusedJob, SubmittedJob, Upload
    from .config.settings import Settings
    from .jobs.filter import JobFilter
    from .jobs.state import Reason, State
    from .producer.bulk_report import BulkReport
    from .producer.client import LocalClient
    from .producer.submission import SubmittedBatch
    from .producer.validation import RefusedRequest
    from .store.listing import Page

__version__ = "0.1.0"
__all__ = [
    "Client",
    "AsyncClient",
    "LocalClient",
    "Settings",
    "Job",
    "AsyncJob",
    "Image",
    "AsyncImage",
    "JobEvent",
    "Provider",
    "SubmittedJob",
    "RefusedJob",
    "OtherProvider",
    "OtherParams",
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
    "JobFailedError",
    "AccessError",
    "ApiError",
    "ApiUnavailableError",
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
    "ArchiveUnavailableError",
    "RedisUnavailableError",
    "NotDurableError",
]

# Imported on first use: Celery and pydantic take longer to import than `--help` may take.
_LAZY = {
    "Client": "client.client",
    "AsyncClient": "client._async.client",
    "LocalClient": "producer.client",
    "Settings": "config.settings",
    "Job": "client._sync.results",
    "AsyncJob": "client._async.results",
    "Image": "client._sync.results",
    "AsyncImage": "client._async.results",
    "JobEvent": "client.results",
    "Provider": "client.results",
    "SubmittedJob": "client.results",
    "RefusedJob": "client.results",
    "OtherProvider": "client.catalogue",
    "OtherParams": "client.catalogue",
    "State": "jobs.state",
    "Reason": "jobs.state",
    "Page": "store.listing",
    "Batch": "client.results",
    "JobFilter": "jobs.filter",
    "BulkReport": "producer.bulk_report",
    "SubmittedBatch": "producer.submission",
    "Upload": "client.results",
    "RefusedRequest": "producer.validation",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
