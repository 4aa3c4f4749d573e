"""The job with arq: one function for each step, and each enqueues the next."""

from __future__ import annotations

import os
from typing import Any, ClassVar
from urllib.parse import urlsplit

from arq import Retry, create_pool
from arq.connections import RedisSettings
from awaiting import find_url, save, send_order
from settings import REDIS, iter_jobs

WAIT_S = 60


async def submit(ctx: dict[str, Any], name: str, prompt: str) -> None:
    """Pay, then poll."""
    await ctx["redis"].enqueue_job("poll", name, await send_order(prompt))


async def poll(ctx: dict[str, Any], name: str, task_id: str) -> None:
    """Ask for the status, and again later if it is not finished."""
    url = await find_url(task_id)
    if url is None:
        raise Retry(defer=WAIT_S)
    await ctx["redis"].enqueue_job("download", name, url)


async def download(ctx: dict[str, Any], name: str, url: str) -> None:
    """Save the image."""
    await save(name, url)


def redis_settings() -> RedisSettings:
    """Return the address of Redis, which may be a Unix socket."""
    address = urlsplit(REDIS)
    if address.scheme == "unix":
        return RedisSettings(unix_socket_path=address.path)
    return RedisSettings.from_dsn(REDIS)


class WorkerSettings:
    """The settings that `arq` reads."""

    functions: ClassVar = [submit, poll, download]
    redis_settings = redis_settings()
    max_jobs = int(os.environ["PEER_AT_ONCE"])
    keep_result = 0


async def send(first: int, end: int) -> None:
    """Submit the jobs `first` to `end`."""
    pool = await create_pool(redis_settings())
    for each in iter_jobs(first, end):
        await pool.enqueue_job("submit", *each)
    await pool.aclose()
