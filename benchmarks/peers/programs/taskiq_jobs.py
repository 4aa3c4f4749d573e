"""The job with taskiq on a Redis stream, acknowledged after each task, which kicks the next."""

from __future__ import annotations

from awaiting import find_url, save, send_order
from settings import REDIS, iter_jobs
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(REDIS)


@broker.task
async def submit(name: str, prompt: str) -> None:
    """Pay, then poll."""
    await poll.kiq(name, await send_order(prompt))


@broker.task
async def poll(name: str, task_id: str) -> None:
    """Ask for the status; asking again later would need a scheduler process."""
    if url := await find_url(task_id):
        await download.kiq(name, url)


@broker.task
async def download(name: str, url: str) -> None:
    """Save the image."""
    await save(name, url)


async def send(first: int, end: int) -> None:
    """Submit the jobs `first` to `end`."""
    await broker.startup()
    for each in iter_jobs(first, end):
        await submit.kiq(*each)
    await broker.shutdown()
