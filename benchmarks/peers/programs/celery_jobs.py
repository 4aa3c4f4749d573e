"""The job as most people would write it with Celery: a task a step, each sends the next."""

from __future__ import annotations

from typing import Any

from blocking import fetch, look_up, order
from celery import Celery
from settings import REDIS, asked

app = Celery("peer", broker=REDIS.replace("unix://", "redis+socket://", 1))
# Late, so that a worker that is killed loses no job (and pays for it a second time).
app.conf.update(task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=1)

WAIT_S = 60


@app.task
def submit(name: str, prompt: str) -> None:
    """Pay, then ask."""
    poll.delay(name, order(prompt))


@app.task(bind=True, max_retries=None)
def poll(self: Any, name: str, task_id: str) -> None:
    """Ask, again after a while where it is not finished."""
    url = look_up(task_id)
    if url is None:
        raise self.retry(countdown=WAIT_S)
    download.delay(name, url)


@app.task(autoretry_for=(OSError,), retry_backoff=True)
def download(name: str, url: str) -> None:
    """Save the picture."""
    fetch(name, url)


def send(first: int, end: int) -> None:
    """Submit jobs."""
    for each in asked(first, end):
        submit.delay(*each)
