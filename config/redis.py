"""The connection to Redis, and what this queue demands of the server behind it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from ..errors import ConfigError, RedisUnavailableError
from .settings import PREFIX, Settings

ADDRESS_FILE = "address"
RETRIES = 6
# A thread holds one connection at a time, so this covers a worker with `-c 150` and its sweep.
# Connections are opened on demand; threads beyond the limit wait for one.
MAX_CONNECTIONS = 200
POOL_TIMEOUT_S = 30.0
BRIEF_S = 1.5
WAITAOF_SINCE = (7, 2)


def embedded_folder(settings: Settings) -> Path:
    """Where the embedded Redis of `imagequeue up` keeps its data, and its address while it runs."""
    return settings.data_dir.resolve() / "redis"


def get_redis_url(settings: Settings) -> str:
    """The address of the Redis that holds the jobs."""
    if settings.redis_url:
        return settings.redis_url
    address = embedded_folder(settings) / ADDRESS_FILE
    try:
        return address.read_text().strip()
    except FileNotFoundError:
        raise ConfigError(
            f"no Redis: set {PREFIX}REDIS_URL, or run `imagequeue up` with the data folder "
            f"{settings.data_dir}"
        ) from None


def connect(settings: Settings) -> redis.Redis:
    """Return a client with a timeout on every operation.

    It is safe to share between threads, and after a fork each process opens its own connections.
    Raises RedisUnavailableError or ConfigError if the server is unreachable or unsuitable.
    """
    client = _make_client(get_redis_url(settings))
    check_server(client)
    return client


def connect_broker(settings: Settings, client: redis.Redis) -> redis.Redis:
    """Return a client for the Redis that holds the queues: usually `client` itself."""
    return _make_client(settings.broker_url) if settings.broker_url else client


def _make_client(url: str) -> redis.Redis:
    # A unix socket has no network under it that keepalive could probe.
    keepalive = {} if url.startswith("unix://") else {"socket_keepalive": True}
    return redis.Redis.from_pool(
        redis.BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=POOL_TIMEOUT_S,
            socket_timeout=15,
            socket_connect_timeout=5,
            health_check_interval=30,
            # A restart of Redis takes about a second. Every script here may run twice.
            retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), RETRIES),
            **keepalive,
        )
    )


def connect_briefly(settings: Settings) -> redis.asyncio.Redis:
    """A client for those whose own caller waits: an answer within seconds, or an error."""
    return redis.asyncio.Redis.from_url(
        get_redis_url(settings),
        socket_timeout=BRIEF_S,
        socket_connect_timeout=BRIEF_S,
        # IdempotencyKey more, for a connection that was cut while it was idle.
        retry=AsyncRetry(NoBackoff(), 1),
    )


def check_server(client: redis.Redis) -> None:
    """Refuse a Redis that is away or may evict: an evicted record is a job lost and paid for."""
    try:
        policy = client.info("memory")["maxmemory_policy"]
    except RedisError as error:
        raise to_unavailable_error(error) from error
    if get_durability(client) is Durability.NONE:
        raise ConfigError(f"this Redis keeps {Durability.NONE}; {REMEDY}")
    if policy != "noeviction":
        raise ConfigError(
            f"this Redis may evict jobs (maxmemory-policy {policy}): "
            "set `maxmemory-policy noeviction` in its configuration"
        )


REMEDY = "set `appendonly yes` and `appendfsync always`, or use Redis 7.2 or newer"


class Durability(StrEnum):
    """What a Redis promises about a write that it has answered."""

    ALWAYS = "every answered write is on disk (appendfsync always)"
    WAITAOF = "an intent to pay is on disk before the request is sent (WAITAOF)"
    EVERY_SECOND = "writes survive a killed Redis, but a power cut may take the last second"
    NONE = "jobs in memory alone: a restart loses what was paid for"


def get_durability(client: redis.Redis) -> Durability:
    """What this server really promises, by its configuration and version."""
    if not client.info("persistence")["aof_enabled"]:
        return Durability.NONE
    try:
        policy = client.config_get("appendfsync").get("appendfsync")
    except ResponseError:
        # A hosted Redis may keep its configuration to itself: the weaker promise is assumed.
        policy = None
    if policy == "always":
        return Durability.ALWAYS
    version = tuple(int(part) for part in client.info("server")["redis_version"].split("."))
    return Durability.WAITAOF if version >= WAITAOF_SINCE else Durability.EVERY_SECOND


def to_unavailable_error(error: RedisError) -> RedisUnavailableError:
    """The error a caller sees for Redis's own, with what to look at."""
    return RedisUnavailableError(
        f"Redis does not answer ({error}): check {PREFIX}REDIS_URL and that the server runs"
    )
