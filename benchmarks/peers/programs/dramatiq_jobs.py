"""The job with dramatiq: one actor for each step, and each sends the next."""

from __future__ import annotations

import dramatiq
from blocking import find_url, save, send_order
from dramatiq.brokers.redis import RedisBroker
from settings import REDIS, iter_jobs

dramatiq.set_broker(RedisBroker(url=REDIS))

WAIT_MS = 60_000


# An exception after the request was sent must not pay again.
@dramatiq.actor(max_retries=0)
def submit(name: str, prompt: str) -> None:
    """Pay, then poll."""
    poll.send(name, send_order(prompt))


@dramatiq.actor
def poll(name: str, task_id: str) -> None:
    """Ask for the status, and again later if it is not finished."""
    url = find_url(task_id)
    if url is None:
        poll.send_with_options(args=(name, task_id), delay=WAIT_MS)
    else:
        download.send(name, url)


@dramatiq.actor
def download(name: str, url: str) -> None:
    """Save the image."""
    save(name, url)


def send(first: int, end: int) -> None:
    """Submit the jobs `first` to `end`."""
    for each in iter_jobs(first, end):
        submit.send(*each)
