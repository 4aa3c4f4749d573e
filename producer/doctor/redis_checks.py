"""The checks of Redis: durability, latency, memory, clock and API keys."""

from __future__ import annotations

import time
from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import median

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ...config.durability import REMEDY, Durability, describe_durability, get_durability
from ...config.redis import (
    check_server,
    get_redis_url,
    name_server,
    open_client,
    reachable,
)
from ...config.settings import PREFIX, Settings
from ...errors import ImageQueueError
from ...storage import open_storage
from ...store.callers.api_keys import ApiKeys
from ...store.clock import MAX_CLOCK_SKEW_S, RedisClock
from ...store.deployment.agreement import ADOPT, Deployment
from ...store.jobs import Store
from ...store.quarantine import Quarantine
from ...store.webhooks.undelivered import WebhookOutbox

TIMEOUT_S = 3.0
PINGS = 20
# A job takes dozens of round trips: above this, jobs wait for Redis rather than for providers.
SLOW_MS = 5.0
MAX_MEMORY_SHARE = 0.8


@contextmanager
def connect(settings: Settings) -> Iterator[redis.Redis]:
    """Yield a client that times out within seconds; raises what `connect` does."""
    with (
        open_client(
            get_redis_url(settings),
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        ) as client,
        reachable(),
    ):
        yield client


def check_durability(settings: Settings) -> str:
    """Check that Redis stores acknowledged writes durably and evicts nothing."""
    with connect(settings) as client:
        check_server(client, settings.durability)
        name = name_server(client)
        durability = get_durability(client)
        words = describe_durability(client, settings.durability)
    if settings.durability == "disk" and durability is Durability.EVERY_SECOND:
        raise ImageQueueError(f"{name}: {durability}; {REMEDY}")
    return f"{name} evicts nothing; {words}"


def check_latency(settings: Settings) -> str:
    """Measure the median round trip."""
    with connect(settings) as client:
        round_trip_ms = median(_ping_ms(client) for _ in range(PINGS))
    if round_trip_ms > SLOW_MS:
        raise ImageQueueError(
            f"a round trip takes {round_trip_ms:.1f} ms: move Redis and the workers closer together"
        )
    return f"a round trip takes {round_trip_ms:.2f} ms"


def check_memory(settings: Settings) -> str:
    """Check the free memory: a full Redis accepts no jobs and no callbacks."""
    with connect(settings) as client:
        info = client.info("memory")
    used = info["used_memory"]
    # Hosted services may hide each of these.
    maxmemory = info.get("maxmemory", 0)
    limit = maxmemory or info.get("total_system_memory", 0)
    source = "maxmemory" if maxmemory else "the machine's memory, as maxmemory is unset"
    if not limit:
        return f"{_format_mb(used)} used; the limit is unknown"
    if used > MAX_MEMORY_SHARE * limit:
        raise ImageQueueError(
            f"{_format_mb(used)} of {_format_mb(limit)} ({source}) are used: "
            f"raise it, or lower {PREFIX}RETENTION_S"
        )
    return f"{_format_mb(limit - used)} of {_format_mb(limit)} ({source}) are left"


def check_clock(settings: Settings) -> str:
    """Check that Redis's clock agrees with this machine's: logs and signatures use it."""
    with connect(settings) as client:
        ahead_s = RedisClock(client).measure_skew_s()
    if abs(ahead_s) > MAX_CLOCK_SKEW_S:
        raise ImageQueueError(
            f"this machine is {abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} "
            "Redis: set it by NTP. Jobs go by the time of Redis, logs and signatures do not"
        )
    return f"within {MAX_CLOCK_SKEW_S:g} s of Redis's"


def check_records(settings: Settings) -> str:
    """Check that every job, batch, quarantined callback and dead letter can be read."""
    with connect(settings) as client:
        parts = (Store(client), Quarantine(client), WebhookOutbox(client))
        unreadable = [each.list_unreadable() for each in parts]
    _require_readable(ChainMap(*unreadable))
    return "all that were read are valid"


def check_deployment(settings: Settings) -> str:
    """Check that the storage is that of the processes that run; changes nothing."""
    storage = open_storage(settings.images_url, settings.scratch)
    with connect(settings) as client:
        if Deployment(client).uses_other_storage(storage):
            raise ImageQueueError(
                f"{storage.url} is not the storage of the processes that run: they would not find "
                f"each other's images; {ADOPT}"
            )
    return "every process uses this storage"


def check_api_keys(settings: Settings) -> str:
    """Count the keys of the HTTP API."""
    with connect(settings) as client:
        stored, unreadable = ApiKeys(client).read()
    _require_readable(unreadable)
    count = len(settings.api_keys) + len(stored)
    return f"{count} in use" if count else "none: only this machine has access to the HTTP API"


def _require_readable(unreadable: Mapping[str, str]) -> None:
    if unreadable:
        record_id, why = min(unreadable.items())
        raise ImageQueueError(f"{len(unreadable)} cannot be read, such as {record_id}: {why}")


def _ping_ms(client: redis.Redis) -> float:
    started = time.perf_counter()
    client.ping()
    return (time.perf_counter() - started) * 1000


def _format_mb(size: int) -> str:
    return f"{size / 1024**2:,.0f} MB"
