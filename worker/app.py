"""The Celery app of the workers: the tasks, the sweep, and the context of both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from celery import Celery, bootsteps

from ..config.celery import make_celery
from ..config.durability import describe_durability
from ..config.logging import get_logger
from ..config.process import exit_on_config_error
from ..config.queues import Queue
from ..config.redis import reachable
from ..config.settings import Settings
from ..errors import ConfigError
from ..storage import StorageError
from ..store.deployment.agreement import Deployment
from .archive import ArchiveStep
from .closed_channels import make_closed_channels_harmless
from .context import Context, open_context
from .sweep import SweepStep
from .tasks import register

log = get_logger(__name__)


class SecretStep(bootsteps.Step):
    """Refuses the start of a worker that lacks a secret of its queues, or has another one."""

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        context: Context = worker.app.context
        queues = worker.app.amqp.queues.consume_from
        deployment = Deployment(context.store.redis)
        with exit_on_config_error(), reachable():
            if Queue.SUBMIT in queues:
                deployment.require_secrets("secret_key", context.settings.signing_secrets)
            if Queue.NOTIFY in queues:
                secrets = [
                    each.get_secret_value().encode() for each in context.settings.webhook_secret
                ]
                deployment.require_secrets("webhook_secret", secrets)


class StorageStep(bootsteps.Step):
    """Refuses the start of a worker that pays for images or saves them, if it could not."""

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        context: Context = worker.app.context
        uses_storage = {Queue.SUBMIT, Queue.DOWNLOAD} & {*worker.app.amqp.queues.consume_from}
        # A forked process checks a bucket by itself, before it pays.
        is_forked = worker.pool_cls.__module__ == "celery.concurrency.prefork"
        if uses_storage and (context.storage.survives_fork or not is_forked):
            with exit_on_config_error():
                try:
                    context.storage_check.require()
                except StorageError as error:
                    raise ConfigError(str(error)) from None


def make_worker_app(settings: Settings, now: Callable[[], datetime] | None = None) -> Celery:
    """Return the app of workers and Flower; raises ConfigError or RedisUnavailableError."""
    app = make_celery(settings)
    context = open_context(settings, app, now)
    durability = describe_durability(context.store.redis, settings.durability)
    log.info("redis_connected", durability=durability)
    app.context = context  # type: ignore[attr-defined]
    register(app)
    make_closed_channels_harmless()
    app.steps["worker"].update({SecretStep, StorageStep, SweepStep, ArchiveStep})
    return app
