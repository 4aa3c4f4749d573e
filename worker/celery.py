"""The app that `celery -A imagequeue.worker` finds, for workers and Flower."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery.signals import setup_logging

from .. import config
from ..config.logging import configure_logs
from ..config.process import exit_on_config_error, start_process
from .app import make_worker_app

# Flower reads its configuration from this file, unless the variable names another.
os.environ.setdefault("FLOWER_CONF", str(Path(config.__file__).with_name("flower.py").resolve()))

with exit_on_config_error():
    _settings = start_process()
    app = make_worker_app(_settings)


@setup_logging.connect
def _configure_logging(**_: Any) -> None:
    """Configure logging; Celery does not do it if this signal has a receiver."""
    configure_logs(_settings)
