"""The processes of a deployment: each keeps a record of itself in Redis, which expires.

Processes of versions without such a record do not appear.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from enum import StrEnum
from importlib.metadata import version
from typing import Any
from uuid import uuid4

import redis
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from redis.exceptions import RedisError

from ...config.logging import get_logger
from ...config.settings import Settings
from ..clock import RedisClock
from ..decoding import decode_ids
from . import keys
from .agreement import Deployment

log = get_logger(__name__)

BEAT_EVERY_S = 10.0
# A process that misses a few beats, such as during a failover of Redis, is not gone.
EXPIRES_S = 60
SHARED_SETTINGS = (
    *("broker_url", "public_url", "durability", "budgets", "budget_exceeded"),
    *("lease_s", "retention_s", "give_up_after_s"),
    *("max_queued_messages", "max_in_flight", "caller_max_in_flight"),
)
"""Settings that decide about the same jobs in several processes; every process is given them."""
SHARED_OF_ACCOUNTS = ("_rate_limit", "_max_in_flight", "_lookups_per_s")


class ProcessKind(StrEnum):
    """What a process does."""

    WORKER = "worker"
    API = "api"
    RECEIVER = "receiver"


class Process(BaseModel):
    """A process as it described itself last."""

    model_config = ConfigDict(frozen=True)

    kind: str = Field(description="`worker`, `api` or `receiver`.")
    host: str
    pid: int
    version: str
    queues: list[str] = Field([], description="Those that a worker takes messages from.")
    storage: str = Field("", description="The id of the storage of images; empty if it read none.")
    settings: dict[str, str] = Field(
        {}, description="Digests of the settings that all processes must share, by name."
    )
    clock_ahead_s: float = Field(description="How far its clock is ahead of that of Redis.")
    started_at: datetime
    seen_at: datetime

    @property
    def fingerprint(self) -> str:
        """A short text that is the same for the same settings."""
        return hashlib.sha256(repr(sorted(self.settings.items())).encode()).hexdigest()[:8]


class Heartbeat:
    """Writes the record of this process again and again, as long as it runs."""

    def __init__(self, client: redis.Redis, settings: Settings, kind: ProcessKind) -> None:
        self._redis = client
        self._kind = kind
        self._settings = {
            name: repr(getattr(settings, name))
            for name in type(settings).model_fields
            if name in SHARED_SETTINGS or name.endswith(SHARED_OF_ACCOUNTS)
        }
        self._deployment = Deployment(client)
        self._clock = RedisClock(client)
        self._id = uuid4().hex
        self._started_at: datetime | None = None
        self._next_at = 0.0
        self._is_written = False

    def beat(self, queues: Iterable[str] = (), storage: str = "") -> None:
        """Write the record if the last one is old; raises RedisError."""
        if time.monotonic() < self._next_at:
            return
        self._next_at, self._is_written = time.monotonic() + BEAT_EVERY_S, False
        now = self._clock()
        self._started_at = self._started_at or now
        process = Process(
            kind=self._kind,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=version("imagequeue"),
            queues=sorted(queues),
            storage=storage,
            settings=self._deployment.digest(self._settings),
            clock_ahead_s=round(self._clock.measure_skew_s(), 3),
            started_at=self._started_at,
            seen_at=now,
        )
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(keys.process(self._id), process.model_dump_json(), ex=EXPIRES_S)
            pipe.zadd(keys.PROCESSES, {self._id: now.timestamp()})
            pipe.zremrangebyscore(keys.PROCESSES, "-inf", now.timestamp() - EXPIRES_S)
            pipe.execute()
        self._is_written = True

    def leave(self) -> None:
        """Delete the record, as the process ends; one that cannot be deleted expires."""
        if not self._is_written:  # Redis is away, and the process must not wait for it
            return
        with suppress(RedisError), self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(keys.process(self._id))
            pipe.zrem(keys.PROCESSES, self._id)
            pipe.execute()


@asynccontextmanager
async def beating(heartbeat: Heartbeat, storage: str = "") -> AsyncIterator[None]:
    """Keep the record of an async process while the context lasts."""

    async def beat_regularly() -> None:
        while True:
            try:
                await asyncio.to_thread(heartbeat.beat, (), storage)
            except RedisError as error:
                log.debug("heartbeat_failed", error=type(error).__name__)
            await asyncio.sleep(BEAT_EVERY_S)

    task = asyncio.create_task(beat_regularly())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.to_thread(heartbeat.leave)


def list_processes(client: redis.Redis) -> list[Process]:
    """Return the processes that run, by kind and host; raises RedisError."""
    members: Any = client.zrange(keys.PROCESSES, 0, -1)
    ids = decode_ids(members)
    found = client.mget([keys.process(each) for each in ids]) if ids else []
    processes = []
    for record in found:
        # One that has expired, or that another version wrote.
        with suppress(ValidationError):
            processes.append(Process.model_validate_json(record or b""))
    return sorted(processes, key=lambda each: (each.kind, each.host, each.started_at))
