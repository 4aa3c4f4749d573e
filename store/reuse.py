"""Jobs that have made the same images before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..jobs.job import State
from . import keys
from .jobs import Store


def find_made(store: Store, fingerprint: str, since: datetime) -> str | None:
    """Return the id of a job with this fingerprint that has succeeded since a time."""
    known: Any = store.redis.get(keys.made(fingerprint))
    for job in store.iter_jobs([known.decode()] if known else []):
        if job.state is State.SUCCEEDED and job.updated_at >= since:
            return job.id
    return None
