"""Connections to Redis, and the requirements for the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MasterDownError, NoPermissionError, ReadOnlyError, RedisError
from redis.retry import Retry

from ..errors import ConfigError, RedisUnavailableError
from .durability import DurabilityPolicy, parse_version, require_durable
from .sentinel import connect_to_primary, connect_to_primary_async, is_sentinel_url
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
    check_server(client, settings.durability)
    return client


def connect_broker(settings: Settings, client: redis.Redis) -> redis.Redis:
    """Return a client for the Redis that holds the queues: usually `client` itself.

    Raises ConfigError if that cannot hold any. While it is away, jobs are stored all the same.
    """
    if not settings.broker_url:
        return client
    broker = open_client(
        settings.broker_url,
        max_connections=MAX_CONNECTIONS,
        socket_timeout=BRIEF_S,
        socket_connect_timeout=BRIEF_S,
        # One retry, for a cut connection: who submits a job must not wait for a silent broker.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        retry_on_error=DEMOTED,
    )
    with suppress(RedisError):
        check_version(broker.info("server")["redis_version"], "BROKER_URL")
        _require_primary(broker, "BROKER_URL")
    return broker


def _make_client(url: str) -> redis.Redis:
    return open_client(
        url,
        max_connections=MAX_CONNECTIONS,
        socket_timeout=15,
        socket_connect_timeout=5,
        health_check_interval=30,
        # A restart of Redis takes about a second. Every script here may run twice.
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), RETRIES),
        retry_on_error=DEMOTED,
        # A unix socket has no network under it that keepalive could probe.
        **({} if url.startswith("unix://") else {"socket_keepalive": True}),
    )


def open_client(url: str, **options: Any) -> redis.Redis:
    """Return a client for a URL of any form, without a look at the server."""
    if is_sentinel_url(url):
        return connect_to_primary(url, **options)
    pool = redis.BlockingConnectionPool.from_url(url, timeout=POOL_TIMEOUT_S, **options)
    return redis.Redis.from_pool(pool)


def connect_briefly(settings: Settings) -> redis.asyncio.Redis:
    """Return an async client that responds or fails within seconds, for callers that wait."""
    url = get_redis_url(settings)
    connect = connect_to_primary_async if is_sentinel_url(url) else redis.asyncio.Redis.from_url
    return connect(
        url,
        socket_timeout=BRIEF_S,
        socket_connect_timeout=BRIEF_S,
        # One retry, for a connection that was cut while it was idle.
        retry=AsyncRetry(NoBackoff(), 1),
        retry_on_error=DEMOTED,
    )


def check_server(client: redis.Redis, durability: DurabilityPolicy = "disk") -> None:
    """Check that Redis stores what it is given.

    Raises RedisUnavailableError, or ConfigError if the server cannot hold paid jobs, or may lose or
    evict them.
    """
    with reachable():
        _require_right(client.info, "server")
        check_version(client.info("server")["redis_version"])
        _require_primary(client, "REDIS_URL")
        _check_rights(client)
        policy = client.info("memory").get("maxmemory_policy", "noeviction")
        require_durable(client, durability)
    if policy != "noeviction":
        raise ConfigError(
            f"this Redis may evict jobs (maxmemory-policy {policy}): "
            "set `maxmemory-policy noeviction` in its configuration"
        )


def _require_primary(client: redis.Redis, setting: str) -> None:
    if client.info("cluster").get("cluster_enabled"):
        raise ConfigError(
            f"the Redis of {PREFIX}{setting} is a cluster, and one change of a job spans several "
            "of its slots: use one primary, with replicas where it has to survive a failure"
        )
    if client.info("replication").get("role") == "slave":
        raise ConfigError(f"this Redis is a replica: {PREFIX}{setting} must name its primary")


def _check_rights(client: redis.Redis) -> None:
    """Raise ConfigError if this user may not do what every process does."""
    _require_right(client.register_script("return 1"))
    _require_right(client.script_load, "return 1")
    # A key of a job, and one of Celery's messages, which have other names.
    _require_right(client.exists, "iq:probe", "_kombu.binding.imagequeue")
    _require_right(_subscribe, client)


def _subscribe(client: redis.Redis) -> None:
    """Subscribe to a channel of Celery; raises NoPermissionError."""
    with client.pubsub() as subscriber:  # type: ignore[no-untyped-call]
        subscriber.subscribe("/0.celery.pidbox")
        subscriber.get_message(timeout=BRIEF_S)


def _require_right(command: Callable[..., object], *args: object) -> None:
    """Raise ConfigError if this user may not send a command that every process needs."""
    try:
        command(*args)
    except NoPermissionError as error:
        raise ConfigError(
            f"the user of {PREFIX}REDIS_URL lacks rights ({error}): give it "
            "`~* &* +@all -@admin -@dangerous +info +keys`"
        ) from None


def check_version(version: str, setting: str = "REDIS_URL") -> None:
    """Raise ConfigError for a server that lacks commands which jobs need."""
    if parse_version(version) < MIN_VERSION:
        raise ConfigError(
            f"the Redis of {PREFIX}{setting} is version {version}: "
            f"use Redis {'.'.join(map(str, MIN_VERSION))} or newer, or Valkey"
        )


def name_server(client: redis.Redis) -> str:
    """Return the product and version of a server; Valkey calls itself Redis 7.2.4, too."""
    info = client.info("server")
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}"


@contextmanager
def reachable() -> Iterator[None]:
    """Turn errors of the Redis client into RedisUnavailableError, which names the remedy."""
    try:
        yield
    except NoPermissionError as error:
        raise RedisUnavailableError(
            f"the Redis user of {PREFIX}REDIS_URL lacks a right: {error}"
        ) from error
    except RedisError as error:
        raise RedisUnavailableError(
            f"Redis does not answer ({error}): check {PREFIX}REDIS_URL and that the server runs"
        ) from error
