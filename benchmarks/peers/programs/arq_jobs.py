"""The job with arq: a function a step, each enqueues the next."""

from __future__ import annotations

import os
from typing import Any, ClassVar
from urllib.parse import urlsplit

from arq import Retry, create_pool
from arq.connections import RedisSettings
from awaiting import fetch, look_up, order
from settings import REDIS, asked

WAIT_S = 60


async def submit(ctx: dict[str, Any], name: str, prompt: str) -> None:
    """Pay, then ask."""
    await ctx["redis"].enqueue_job("poll", name, await order(prompt))


async def poll(ctx: dict[str, Any], name: str, task_id: str) -> None:
    """Ask, again after a while where it is not finished."""
    url = await look_up(task_id)
    if url is None:
        raise Retry(defer=WAIT_S)
    await ctx["redis"].enqueue_job("download", name, url)


async def download(ctx: dict[str, Any], name: str, url: str) -> None:
    """Save the picture."""
    await fetch(name, url)


def redis_settings() -> RedisSettings:
    """Where the Redis is, also on a socket."""
    address = urlsplit(REDIS)
    if address.scheme == "unix":
        return RedisSettings(unix_socket_path=address.path)
    return RedisSettings.from_dsn(REDIS)


class WorkerSettings:
    """What `arq` reads."""

    functions: ClassVar = [submit, poll, download]
    redis_settings = redis_settings()
    max_jobs = int(os.environ["PEER_AT_ONCE"])
    keep_result = 0


async def send(first: int, end: int) -> None:
    """Submit jobs."""
    pool = await create_pool(redis_settings())
    for each in asked(first, end):
        await pool.enqueue_job("submit", *each)
    await pool.aclose()
