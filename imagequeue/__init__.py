"""imagequeue: a self-hosted job queue for paid image-generation APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import (
    ConfigError,
    ImageQueueError,
    InvalidRequestError,
    InvalidTransitionError,
    Problem,
    RedisUnavailableError,
    UnknownJobError,
    UploadError,
)

if TYPE_CHECKING:
    from .config.settings import Settings
    from .jobs.job import Image, Job, Reason, State
    from .producer.client import Client

__version__ = "0.1.0"
__all__ = [
    "Client",
    "Settings",
    "Job",
    "Image",
    "State",
    "Reason",
    "ImageQueueError",
    "ConfigError",
    "InvalidRequestError",
    "Problem",
    "UnknownJobError",
    "InvalidTransitionError",
    "RedisUnavailableError",
    "UploadError",
]

# Looked up when first used: Celery and pydantic take longer to import than `--help` may take.
_LAZY = {
    "Client": "producer.client",
    "Settings": "config.settings",
    "Job": "jobs.job",
    "Image": "jobs.job",
    "State": "jobs.job",
    "Reason": "jobs.job",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
