"""The job with taskiq on a Redis stream, acknowledged once a task has run: each kicks the next."""

from __future__ import annotations

from awaiting import fetch, look_up, order
from settings import REDIS, asked
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(REDIS)


@broker.task
async def submit(name: str, prompt: str) -> None:
    """Pay, then ask."""
    await poll.kiq(name, await order(prompt))


@broker.task
async def poll(name: str, task_id: str) -> None:
    """Ask; a task that is not finished needs a scheduler, which is another process."""
    if url := await look_up(task_id):
        await download.kiq(name, url)


@broker.task
async def download(name: str, url: str) -> None:
    """Save the picture."""
    await fetch(name, url)


async def send(first: int, end: int) -> None:
    """Submit jobs."""
    await broker.startup()
    for each in asked(first, end):
        await submit.kiq(*each)
    await broker.shutdown()
