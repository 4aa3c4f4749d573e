"""What every step of the work needs, opened once a process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from celery import Celery

from ..config.redis import connect
from ..config.settings import Settings
from ..jobs.due import Due
from ..jobs.inbox import Inbox
from ..jobs.job import WAKES, Job, utc_now
from ..jobs.pauses import Pauses
from ..jobs.starts import Starts
from ..jobs.store import Store
from .http import Http
from .storage import Storage


@dataclass(frozen=True, kw_only=True)
class Context:
    """Settings, the store and the ways out; tests bring a clock of their own."""

    settings: Settings
    store: Store
    due: Due
    inbox: Inbox
    starts: Starts
    pauses: Pauses
    http: Http
    storage: Storage
    now: Callable[[], datetime] = utc_now
    dialects: dict[str, str] = field(default_factory=dict)
    """The form of its API that each provider is spoken to in first; learnt from its answers."""

    def load(self, job_id: str) -> Job:
        """The job as it is now, its provider from here on named in the logs."""
        job = self.store.get(job_id)
        structlog.contextvars.bind_contextvars(provider=job.provider)
        return job

    def move(self, job_id: str, step: Callable[[Job], Job], *, durable: bool = False) -> Job:
        """Move a job as the store does, and hint it at once if it is due already."""
        job = self.store.move(job_id, step, durable=durable)
        queue, now = WAKES[job.state], self.now()
        if queue and job.wake_at <= now:
            self.due.hint(queue, [job_id], now)
        return job


def open_context(
    settings: Settings, celery: Celery, now: Callable[[], datetime] = utc_now
) -> Context:
    """Connect to everything; raises ConfigError or RedisUnavailableError."""
    client = connect(settings)
    return Context(
        settings=settings,
        store=Store(client),
        due=Due(client, celery, settings.queue_bound, settings.lease_s),
        inbox=Inbox(client),
        starts=Starts(client),
        pauses=Pauses(client),
        http=Http(settings.download_trusted_hosts),
        storage=Storage(settings.pictures_url),
        now=now,
        dialects=dict(settings.dialects),
    )
