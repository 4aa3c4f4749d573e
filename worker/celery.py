"""What `celery -A imagequeue.worker` finds: the app of this process, workers and Flower alike."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery.signals import setup_logging

from .. import config
from ..config.logs import configure_logs
from ..config.start import one_line_errors, start_process
from .app import make_worker_app

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
