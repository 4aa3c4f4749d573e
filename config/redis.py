"""Connections to Redis, and the requirements for the server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import MasterDownError, ReadOnlyError, RedisError, ResponseError
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
# A primary that a failover has demoted answers these on connections that stay open. They are
# retried on a new connection, which leads to the new primary.
DEMOTED: list[type[Exception]] = [ReadOnlyError, MasterDownError]
WAITAOF_SINCE = (7, 2)
# The first version with ZMSCORE and `ZRANGE ... BYSCORE`, without which nothing is ever dispatched.
# Valkey reports the version of Redis that it is compatible with.
MIN_VERSION = (6, 2)


def embedded_folder(settings: Settings) -> Path:
    """Return the folder of the embedded Redis: its data, and its address while it runs."""
    return settings.data_dir.resolve() / "redis"


def get_redis_url(settings: Settings) -> str:
    """Return the URL of the Redis that holds the jobs; raises ConfigError if there is none."""
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
    """Return a client for the Redis that holds the queues: usually `client` itself.

    Raises ConfigError if that is too old. While it is away, jobs are stored all the same.
    """
    if not settings.broker_url:
        return client
    broker = _make_client(settings.broker_url)
    with suppress(RedisError):
        check_version(broker.info("server")["redis_version"], "BROKER_URL")
    return broker


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
            retry_on_error=DEMOTED,
            **keepalive,
        )
    )


def connect_briefly(settings: Settings) -> redis.asyncio.Redis:
    """Return an async client that responds or fails within seconds, for callers that wait."""
    return redis.asyncio.Redis.from_url(
        get_redis_url(settings),
        socket_timeout=BRIEF_S,
        socket_connect_timeout=BRIEF_S,
        # One retry, for a connection that was cut while it was idle.
        retry=AsyncRetry(NoBackoff(), 1),
        retry_on_error=DEMOTED,
    )


def check_server(client: redis.Redis) -> None:
    """Check that Redis stores what it is given.

    Raises RedisUnavailableError, or ConfigError if the server may lose or evict paid jobs.
    """
    with reachable():
        check_version(client.info("server")["redis_version"])
        policy = client.info("memory")["maxmemory_policy"]
    if get_durability(client) is Durability.NONE:
        raise ConfigError(f"this Redis keeps {Durability.NONE}; {REMEDY}")
    if policy != "noeviction":
        raise ConfigError(
            f"this Redis may evict jobs (maxmemory-policy {policy}): "
            "set `maxmemory-policy noeviction` in its configuration"
        )


def check_version(version: str, setting: str = "REDIS_URL") -> None:
    """Raise ConfigError for a server that lacks commands which jobs need."""
    if parse_version(version) < MIN_VERSION:
        raise ConfigError(
            f"the Redis of {PREFIX}{setting} is version {version}: "
            f"use Redis {'.'.join(map(str, MIN_VERSION))} or newer, or Valkey"
        )


def parse_version(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a server's version, which may end in a suffix."""
    return tuple(int(number) for number in re.findall(r"\d+", str(version))[:2])


REMEDY = "set `appendonly yes` and `appendfsync always`, or use Redis 7.2 or newer"


class Durability(StrEnum):
    """What Redis guarantees about a write that it has acknowledged."""

    ALWAYS = "every answered write is on disk (appendfsync always)"
    WAITAOF = "an intent to pay is on disk before the request is sent (WAITAOF)"
    EVERY_SECOND = "writes survive a killed Redis, but a power cut may take the last second"
    NONE = "jobs in memory alone: a restart loses what was paid for"


def get_durability(client: redis.Redis) -> Durability:
    """Return what this server guarantees, by its configuration and version."""
    if not client.info("persistence")["aof_enabled"]:
        return Durability.NONE
    try:
        policy = client.config_get("appendfsync").get("appendfsync")
    except ResponseError:
        # Hosted Redis services may hide their configuration: the weaker guarantee is assumed.
        policy = None
    if policy == "always":
        return Durability.ALWAYS
    version = parse_version(client.info("server")["redis_version"])
    return Durability.WAITAOF if version >= WAITAOF_SINCE else Durability.EVERY_SECOND


@contextmanager
def reachable() -> Iterator[None]:
    """Turn errors of the Redis client into RedisUnavailableError, which names the remedy."""
    try:
        yield
    except RedisError as error:
        raise RedisUnavailableError(
            f"Redis does not answer ({error}): check {PREFIX}REDIS_URL and that the server runs"
        ) from error
