"""What the doctor looks at in Redis: its promise, its distance, its memory, its clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from ...config.redis import (
    REMEDY,
    Durability,
    check_server,
    get_durability,
    get_redis_url,
    to_unavailable_error,
)
from ...config.settings import PREFIX, Settings
from ...errors import ImageQueueError
from ...jobs.job import utc_now
from ...store.api_keys import ApiKeys
from ...store.wakeups import MAX_CLOCK_SKEW_S

TIMEOUT_S = 3.0
PINGS = 20
# A job takes dozens of round trips: beyond this they, and not the providers, are what it waits for.
SLOW_MS = 5.0
FULL = 0.8


@contextmanager
def _connected(settings: Settings) -> Iterator[redis.Redis]:
    """A client that finds out within seconds that nobody is there; raises what `connect` does."""
    with redis.Redis.from_url(
        get_redis_url(settings),
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    ) as client:
        try:
            yield client
        except RedisError as error:
            raise to_unavailable_error(error) from error


def promise(settings: Settings) -> str:
    """Whether what it has answered stays written, and nothing is evicted."""
    with _connected(settings) as client:
        check_server(client)
        version = client.info("server")["redis_version"]
        kept = get_durability(client)
    if kept in (Durability.NONE, Durability.EVERY_SECOND):
        raise ImageQueueError(f"Redis {version}: {kept}; {REMEDY}")
    return f"Redis {version} evicts nothing; {kept}"


def latency(settings: Settings) -> str:
    """How long a round trip takes."""
    with _connected(settings) as client:
        took_ms = median(_ping_ms(client) for _ in range(PINGS))
    if took_ms > SLOW_MS:
        raise ImageQueueError(
            f"a round trip takes {took_ms:.1f} ms: move Redis and the workers closer together"
        )
    return f"a round trip takes {took_ms:.2f} ms"


def memory(settings: Settings) -> str:
    """How much more it can hold: a full Redis takes no jobs and no callbacks."""
    with _connected(settings) as client:
        info = client.info("memory")
    used = info["used_memory"]
    most = info["maxmemory"] or info.get("total_system_memory", 0)
    whose = "maxmemory" if info["maxmemory"] else "the machine's memory, as no maxmemory is set"
    if not most:
        return f"{_mb(used)} used, of an amount that it does not tell"
    if used > FULL * most:
        raise ImageQueueError(
            f"{_mb(used)} of {_mb(most)} ({whose}) are used: raise it, or lower {PREFIX}RETENTION_S"
        )
    return f"{_mb(most - used)} of {_mb(most)} ({whose}) are left"


def clock(settings: Settings) -> str:
    """Whether Redis's clock is ours: wake-ups and leases go by both."""
    with _connected(settings) as client:
        seconds, micros = client.time()
        ahead_s = utc_now().timestamp() - (seconds + micros / 1e6)
    if abs(ahead_s) > MAX_CLOCK_SKEW_S:
        raise ImageQueueError(
            f"this machine is {abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} "
            "Redis's: set both by NTP, or jobs wake early or late"
        )
    return f"within {MAX_CLOCK_SKEW_S:g} s of Redis's"


def api_keys(settings: Settings) -> str:
    """Who gets into the HTTP API."""
    with _connected(settings) as client:
        made = len(ApiKeys(client).all())
    count = len(settings.api_keys) + made
    return f"{count} in use" if count else "none: only this machine gets into the HTTP API"


def _ping_ms(client: redis.Redis) -> float:
    started = time.perf_counter()
    client.ping()
    return (time.perf_counter() - started) * 1000


def _mb(size: int) -> str:
    return f"{size / 1024**2:,.0f} MB"
