"""What a Redis guarantees about a write, and whether that is enough for jobs that are paid for."""

from __future__ import annotations

import re
import time
from enum import StrEnum
from typing import Literal

import redis
from redis.exceptions import ResponseError

from ..errors import ConfigError

WAITAOF_SINCE = (7, 2)
# A failover leaves the primary without a replica until the former primary is back as one.
AWAIT_REPLICA_S = 30.0
REMEDY = "set `appendonly yes` and `appendfsync always`, or use Redis 7.2 or newer"

DurabilityPolicy = Literal["disk", "replica", "memory"]
"""The values of IMAGEQUEUE_DURABILITY."""


class Durability(StrEnum):
    """What Redis guarantees about a write that it has acknowledged."""

    ALWAYS = "every answered write is on disk (appendfsync always)"
    WAITAOF = "an intent to pay is on disk before the request is sent (WAITAOF)"
    EVERY_SECOND = "writes survive a killed Redis, but a power cut may take the last second"
    NONE = "jobs in memory alone: a restart loses what was paid for"


def get_durability(client: redis.Redis) -> Durability:
    """Return what this server guarantees by itself, by its configuration and version."""
    if not client.info("persistence").get("aof_enabled"):
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


def require_durable(client: redis.Redis, policy: DurabilityPolicy) -> None:
    """Raise ConfigError if the server cannot be what IMAGEQUEUE_DURABILITY asks for.

    Waits AWAIT_REPLICA_S for a replica: a process that starts during a failover has to stay.
    """
    if policy == "disk" and get_durability(client) is Durability.NONE:
        raise ConfigError(
            f"this Redis keeps {Durability.NONE}; {REMEDY}. Where it has replicas, "
            "IMAGEQUEUE_DURABILITY=replica waits for one of them; =memory accepts the loss"
        )
    if policy == "replica" and not _await_replica(client):
        raise ConfigError(
            "IMAGEQUEUE_DURABILITY=replica, and this Redis has no replica: connect one, or set disk"
        )


def _await_replica(client: redis.Redis) -> bool:
    """Return whether a replica is connected, or connects within AWAIT_REPLICA_S."""
    deadline = time.monotonic() + AWAIT_REPLICA_S
    while not client.info("replication").get("connected_slaves"):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.5)
    return True


def describe_durability(client: redis.Redis, policy: DurabilityPolicy) -> str:
    """Return in words what this server guarantees under a policy."""
    durability = get_durability(client)
    if policy != "replica":
        if not client.info("replication").get("connected_slaves"):
            return durability.value
        return (
            f"{durability}; a failover loses what its replica lacks, unless "
            "IMAGEQUEUE_DURABILITY=replica waits for it"
        )
    own = "" if durability is Durability.NONE else f"; {durability}"
    return f"accepted jobs, intents to pay and callbacks are on a replica before they count{own}"


def parse_version(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a server's version, which may end in a suffix."""
    return tuple(int(number) for number in re.findall(r"\d+", str(version))[:2])
