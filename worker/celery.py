"""The app that `celery -A imagequeue.worker` runs: the tasks, the sweep, and a context for both."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import setup_logging

from .. import config
from ..config.celery_app import make_celery
from ..config.logs import configure_logs
from ..config.settings import Settings
from ..config.start import one_line_errors, start_process
from .context import open_context
from .sweep import SweepStep
from .tasks import register


def make_worker_app(settings: Settings) -> Celery:
    """A Celery app with everything a worker needs; raises ConfigError if it cannot work."""
    app = make_celery(settings)
    settings.signing_secrets  # noqa: B018  refuses to start without one
    app.context = open_context(settings, app)  # type: ignore[attr-defined]
    register(app)
    app.steps["worker"].add(SweepStep)
    return app


# Flower reads its configuration from the file named here, unless it is told another.
os.environ.setdefault(
    "FLOWER_CONF", str(Path(config.__file__).with_name("flowerconfig.py").resolve())
)

with one_line_errors():
    _settings = start_process()
    app = make_worker_app(_settings)


@setup_logging.connect
def _keep_our_logs(**_: Any) -> None:
    """Celery leaves logging alone where this signal is answered."""
    configure_logs(_settings)
