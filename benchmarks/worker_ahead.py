"""The worker's app with a clock an hour ahead: `celery -A benchmarks.worker_ahead`."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from imagequeue.jobs import job

AHEAD = timedelta(hours=1)
read_time = time.time

# Before the worker's modules import them.
time.time = lambda: read_time() + AHEAD.total_seconds()
job.utc_now = lambda: datetime.fromtimestamp(time.time(), UTC)

from imagequeue.worker.celery import app  # noqa: E402, F401
