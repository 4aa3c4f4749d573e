"""The check whether Redis accepts writes, for the processes that answer on `/readyz`."""

from __future__ import annotations

import redis.asyncio

from . import keys


async def check_writes(client: redis.asyncio.Redis) -> None:
    """Return if Redis accepts a write; raises RedisError.

    A Redis that is full or has become a replica still answers a ping.
    """
    await client.set(keys.PROBE, 1, px=1000)
