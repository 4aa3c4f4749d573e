"""What every step needs, opened once for each process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from celery import Celery

from ..archive import ArchiveOpener, prepare_archive
from ..config.logging import add_log_context
from ..config.queues import Queue
from ..config.redis import connect
from ..config.settings import PREFIX, Settings
from ..jobs.job import QUEUE_OF, Job
from ..storage import Storage, open_storage
from ..store.callbacks import CallbackInbox
from ..store.clock import RedisClock
from ..store.deployment.agreement import Deployment
from ..store.deployment.progress import Progress
from ..store.due.dispatcher import Dispatcher, open_dispatcher
from ..store.due.starts import StepStarts
from ..store.due.wakeups import Priority, WakeUps
from ..store.images.inline import InlineImages
from ..store.images.looks import Looks
from ..store.images.names import ImageNames
from ..store.images.uploads import Uploads
from ..store.jobs import Store, Transition
from ..store.lookups import LookupLimiter
from ..store.money.budgets import BudgetReader
from ..store.submit.pauses import Pauses
from ..store.submit.queue import SubmitQueue, open_submit_queue
from ..store.webhooks.caller_webhooks import CallerWebhooks
from ..store.webhooks.undelivered import WebhookOutbox
from .http.address_guard import AddressGuard
from .http.client import CONNECT_TIMEOUT_S, HttpClient
from .saving.storage_check import StorageCheck


@dataclass(frozen=True, kw_only=True)
class Context:
    """Settings, store, HTTP clients and storage; `now` is the time of Redis; tests replace it."""

    settings: Settings
    store: Store
    wakeups: WakeUps
    submits: SubmitQueue
    budgets: BudgetReader
    dispatcher: Dispatcher
    inbox: CallbackInbox
    outbox: WebhookOutbox
    caller_webhooks: CallerWebhooks
    starts: StepStarts
    pauses: Pauses
    lookups: LookupLimiter
    inline_images: InlineImages
    uploads: Uploads
    looks: Looks
    image_names: ImageNames
    http: HttpClient
    webhook_http: HttpClient
    """For URLs that callers choose: other hosts are trusted than for images."""
    storage: Storage
    storage_check: StorageCheck
    open_archive: ArchiveOpener
    now: Callable[[], datetime]
    api_versions: dict[str, str] = field(default_factory=dict)
    """The API version that is tried first with each provider; learned from its responses."""

    def load(self, job_id: str) -> Job:
        """Read a job and name its provider on later log lines; raises UnknownJobError."""
        job = self.store.get(job_id)
        add_log_context(provider=job.provider)
        return job

    def transition(self, job: Job, step: Transition, *, durable: bool = False) -> Job:
        """Apply a transition as `Store.transition` does, and dispatch what is due because of it."""
        job = self.store.transition(job, step, durable=durable)
        self._dispatch([job])
        return job

    def transition_many(
        self, transitions: Iterable[tuple[Job, Transition]]
    ) -> list[Job | Exception]:
        """Apply transitions as `Store.transition_many` does, and dispatch what is due then."""
        outcomes = self.store.transition_many(transitions)
        self._dispatch([job for job in outcomes if isinstance(job, Job)])
        return outcomes

    def _dispatch(self, jobs: Iterable[Job]) -> None:
        """Dispatch the next steps of changed jobs, and the webhooks of finished ones."""
        now = self.now()
        due: dict[tuple[Queue, Priority], list[str]] = defaultdict(list)
        for job in jobs:
            queue = QUEUE_OF[job.state]
            if queue and job.wake_at <= now:
                due[queue, Priority.of(job.deadline, now)].append(job.id)
            if job.webhook_url and job.is_finished:
                due[Queue.NOTIFY, Priority.NORMAL].append(job.id)
        for (queue, priority), job_ids in due.items():
            self.dispatcher.dispatch(queue, job_ids, now, priority)


def open_context(
    settings: Settings, celery: Celery, now: Callable[[], datetime] | None = None
) -> Context:
    """Return a context with open connections; raises ConfigError or RedisUnavailableError."""
    client = connect(settings)
    storage = open_storage(settings.images_url, settings.scratch)
    open_archive = prepare_archive(settings)
    now = now or RedisClock(client)
    progress = Progress(client, settings.durability)
    return Context(
        settings=settings,
        store=Store(client, settings.images_url, settings.durability, open_archive),
        wakeups=WakeUps(client, settings.lease_s),
        submits=open_submit_queue(client, settings),
        budgets=BudgetReader(client, settings),
        dispatcher=open_dispatcher(settings, client, celery),
        inbox=CallbackInbox(client, settings.upload_s),
        outbox=WebhookOutbox(client),
        caller_webhooks=CallerWebhooks(client),
        starts=StepStarts(client),
        pauses=Pauses(client),
        inline_images=InlineImages(client),
        uploads=Uploads(client),
        looks=Looks(client),
        image_names=ImageNames(client),
        lookups=LookupLimiter(client),
        http=_open_http(settings, "download"),
        webhook_http=_open_http(settings, "webhook", connect_timeout_s=5),
        storage=storage,
        open_archive=open_archive,
        storage_check=StorageCheck(storage, Deployment(client), progress, now),
        now=now,
        api_versions=dict(settings.api_versions),
    )


def _open_http(
    settings: Settings,
    kind: Literal["download", "webhook"],
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
) -> HttpClient:
    guard = AddressGuard(
        getattr(settings, f"{kind}_trusted_hosts"),
        getattr(settings, f"{kind}_trusted_networks"),
        remedy=f"{PREFIX}{kind.upper()}_TRUSTED_NETWORKS",
    )
    return HttpClient(guard, settings.proxy_url, str(settings.ca_file or ""), connect_timeout_s)
