"""What `celery -A imagequeue.worker` finds: the app of this process, workers and Flower alike."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

from celery.signals import setup_logging, worker_ready

from .. import config
from ..config.logging import configure_logs
from ..config.process import exit_on_config_error, start_process
from .app import make_worker_app

# Flower reads its configuration from the file named here, unless it is told another.
os.environ.setdefault("FLOWER_CONF", str(Path(config.__file__).with_name("flower.py").resolve()))

# Steps leave next to no cycles behind; looking for them takes a twentieth of a worker's time
# where it is done after every 700 objects, among all that was imported.
COLLECT_EVERY = 20_000

with exit_on_config_error():
    _settings = start_process()
    app = make_worker_app(_settings)


@setup_logging.connect
def _keep_our_logs(**_: Any) -> None:
    """Celery leaves logging alone where this signal is answered."""
    configure_logs(_settings)


@worker_ready.connect
def _collect_rarely(**_: Any) -> None:
    """What is there by now stays for good, and need not be looked at again."""
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)
