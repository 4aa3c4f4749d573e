"""The job as most programs use Celery: one task for each step, and each sends the next."""

from __future__ import annotations

from typing import Any

from blocking import find_url, save, send_order
from celery import Celery
from settings import REDIS, iter_jobs

app = Celery("peer", broker=REDIS.replace("unix://", "redis+socket://", 1))
# Acknowledged late: a killed worker loses no job, but pays for it a second time.
app.conf.update(task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=1)

WAIT_S = 60


@app.task
def submit(name: str, prompt: str) -> None:
    """Pay, then poll."""
    poll.delay(name, send_order(prompt))


@app.task(bind=True, max_retries=None)
def poll(self: Any, name: str, task_id: str) -> None:
    """Ask for the status, and again later if it is not finished."""
    url = find_url(task_id)
    if url is None:
        raise self.retry(countdown=WAIT_S)
    download.delay(name, url)


@app.task(autoretry_for=(OSError,), retry_backoff=True)
def download(name: str, url: str) -> None:
    """Save the image."""
    save(name, url)


def send(first: int, end: int) -> None:
    """Submit the jobs `first` to `end`."""
    for each in iter_jobs(first, end):
        submit.delay(*each)
