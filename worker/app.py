"""The Celery app of the workers: the tasks, the sweep, and the context of both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from celery import Celery

from ..config.celery import make_celery
from ..config.logging import get_logger
from ..config.redis import get_durability
from ..config.settings import Settings
from .context import open_context
from .sweep import SweepStep
from .tasks import register

log = get_logger(__name__)


def make_worker_app(settings: Settings, now: Callable[[], datetime] | None = None) -> Celery:
    """Return the app; raises ConfigError or RedisUnavailableError if it cannot work."""
    app = make_celery(settings)
    settings.signing_secrets  # noqa: B018  raises ConfigError without one
    context = open_context(settings, app, now)
    log.info("redis_connected", durability=get_durability(context.store.redis).value)
    app.context = context  # type: ignore[attr-defined]
    register(app)
    app.steps["worker"].add(SweepStep)
    return app
