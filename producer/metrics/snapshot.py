"""Everything the metrics tell of, read from Redis at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import redis
from celery import Celery

from ...config.queues import Queue
from ...store import keys


class Wakeups(NamedTuple):
    """The due set of one queue; jobs that were hinted a moment ago wake in the future."""

    due: int
    overdue_s: float
    """How long the first of them has been due; 0 if none is."""


class Snapshot(NamedTuple):
    """The state of the whole queue at one moment."""

    sums: dict[str, int]
    """What `Counters` holds, by name."""
    wakeups: dict[Queue, Wakeups]
    messages: dict[tuple[Queue, int], int]
    """The hints in the broker, by queue and priority."""
    open_jobs: dict[str, int]
    webhooks_waiting: int
    webhooks_dead: int
    quarantined: int
    quarantined_bytes: int
    redis: dict[str, Any]
    """What the server says of itself."""


def take(client: redis.Redis, celery: Celery, now: datetime) -> Snapshot:
    """Read it all: one round trip to the store, one to the broker."""
    at = now.timestamp()
    with client.pipeline(transaction=False) as pipe:
        for queue in Queue:
            pipe.zcount(keys.due(queue), "-inf", at)
            pipe.zrange(keys.due(queue), 0, 0, withscores=True)
        pipe.hgetall(keys.COUNTERS)
        pipe.hgetall(keys.OPEN)
        pipe.zcard(keys.due(Queue.NOTIFY))
        pipe.xlen(keys.DEAD_WEBHOOKS)
        pipe.xlen(keys.QUARANTINE)
        pipe.get(keys.QUARANTINE_BYTES)
        pipe.info()
        answers = iter(pipe.execute())
    wakeups = {queue: _wakeups(next(answers), next(answers), at) for queue in Queue}
    sums, open_jobs, waiting, dead, quarantined, quarantined_bytes, info = answers
    return Snapshot(
        _numbers(sums),
        wakeups,
        dict(_messages(celery)),
        _numbers(open_jobs),
        waiting,
        dead,
        quarantined,
        int(quarantined_bytes or 0),
        info,
    )


def _wakeups(due: int, first: list[tuple[bytes, float]], at: float) -> Wakeups:
    return Wakeups(due, max(0.0, at - first[0][1]) if first else 0.0)


def _numbers(fields: dict[bytes, bytes]) -> dict[str, int]:
    return {name.decode(): int(value) for name, value in sorted(fields.items())}


def _messages(celery: Celery) -> Iterator[tuple[tuple[Queue, int], int]]:
    with celery.producer_pool.acquire(block=True) as producer:
        channel: Any = producer.channel
        lists = [(queue, step) for queue in Queue for step in channel.priority_steps]
        with channel.client.pipeline(transaction=False) as pipe:
            for queue, step in lists:
                # kombu's own name of the list that holds a queue's messages of one priority.
                pipe.llen(channel._q_for_pri(queue.value, step))
            yield from zip(lists, pipe.execute(), strict=True)
