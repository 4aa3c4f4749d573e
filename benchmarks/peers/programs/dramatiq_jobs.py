"""The job with dramatiq: an actor a step, each sends the next."""

from __future__ import annotations

import dramatiq
from blocking import fetch, look_up, order
from dramatiq.brokers.redis import RedisBroker
from settings import REDIS, asked

dramatiq.set_broker(RedisBroker(url=REDIS))

WAIT_MS = 60_000


# An exception after the request went out must not pay again.
@dramatiq.actor(max_retries=0)
def submit(name: str, prompt: str) -> None:
    """Pay, then ask."""
    poll.send(name, order(prompt))


@dramatiq.actor
def poll(name: str, task_id: str) -> None:
    """Ask, again after a while where it is not finished."""
    url = look_up(task_id)
    if url is None:
        poll.send_with_options(args=(name, task_id), delay=WAIT_MS)
    else:
        download.send(name, url)


@dramatiq.actor
def download(name: str, url: str) -> None:
    """Save the picture."""
    fetch(name, url)


def send(first: int, end: int) -> None:
    """Submit jobs."""
    for each in asked(first, end):
        submit.send(*each)
