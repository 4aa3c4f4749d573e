"""A snapshot of everything that the metrics report, read from Redis at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import inf
from typing import Any, NamedTuple

import redis

from ...config.queues import Queue
from ...store import keys
from ...store.broker import BrokerQueues, MessageCounts
from ...store.decoding import decode_numbers
from ...store.deployment.processes import Process, list_processes
from ...store.money.ledger import Ledger
from ...store.money.ledger_entries import Amounts
from ...store.submit.pauses import Pause, list_pauses
from ...store.submit.queue import Quota
from ...store.submit.usage import SubmitUsage, measure_usage
from ...store.webhooks import keys as webhook_keys


class Wakeups(NamedTuple):
    """The due jobs of one queue; a job that was just dispatched wakes in the future."""

    due: int
    overdue_s: float
    """How long the earliest has been due, or none was looked for; 0 without any."""


class Snapshot(NamedTuple):
    """The whole queue at one moment."""

    sums: dict[str, int]
    """The counters by name."""
    exemplars: dict[bytes, bytes]
    """The latest traced job of each bucket, by the name of its counter."""
    wakeups: dict[Queue, Wakeups]
    messages: MessageCounts
    """The number of messages in the broker, by queue and priority."""
    open_jobs: dict[str, int]
    webhooks_waiting: int
    webhooks_dead: int
    quarantined: int
    quarantined_bytes: int
    pauses: list[Pause]
    usage: SubmitUsage
    spent: dict[str, dict[str, int]]
    """What was spent in this `day` and `month` in UTC, by unit, in millionths."""
    spent_by_caller: dict[str, dict[str, int]]
    """The same by caller, in micro-dollars."""
    costs: dict[str, Amounts]
    """What was spent today, by provider."""
    processes: list[Process]
    unreadable: int
    """Jobs whose records could not be read."""
    redis: dict[str, Any]
    """The answer to the INFO command."""

    @property
    def max_memory(self) -> float:
        """The bytes that Redis may use: those of the machine without `maxmemory`, or infinity."""
        limit: float = self.redis.get("maxmemory", 0) or self.redis.get("total_system_memory", inf)
        return limit


def take_snapshot(
    client: redis.Redis, broker: BrokerQueues, quotas: Mapping[str, Quota], now: datetime
) -> Snapshot:
    """Read everything with a few round trips to the store and one to the broker."""
    at = now.timestamp()
    with client.pipeline(transaction=False) as pipe:
        for queue in Queue:
            pipe.zcount(keys.due(queue), "-inf", at)
            pipe.zrange(keys.due(queue), 0, 0, withscores=True)
        pipe.hgetall(keys.COUNTERS)
        pipe.hgetall(keys.EXEMPLARS)
        pipe.hgetall(keys.OPEN_JOBS)
        pipe.zcard(keys.due(Queue.NOTIFY))
        pipe.xlen(webhook_keys.DEAD_WEBHOOKS)
        pipe.xlen(keys.QUARANTINE)
        pipe.get(keys.QUARANTINE_BYTES)
        pipe.hlen(keys.UNREADABLE)
        pipe.hgetall(keys.PAUSES)
        pipe.info()
        answers = iter(pipe.execute())
    wakeups = {queue: _to_wakeups(next(answers), next(answers), at) for queue in Queue}
    sums, exemplars, open_jobs, waiting, dead, quarantined, quarantined_bytes, *rest = answers
    unreadable, pauses, info = rest
    ledger, day = Ledger(client), now.date()
    periods = {"day": day.isoformat(), "month": f"{day:%Y-%m}"}
    usage = measure_usage(client, quotas, now)
    # Jobs that wait for a permit are in no due set.
    submits = wakeups[Queue.SUBMIT]
    overdue_s = max(submits.overdue_s, usage.neglected_s)
    wakeups[Queue.SUBMIT] = submits._replace(overdue_s=overdue_s)
    return Snapshot(
        decode_numbers(sums),
        exemplars,
        wakeups,
        broker.count(*Queue),
        decode_numbers(open_jobs),
        waiting,
        dead,
        quarantined,
        int(quarantined_bytes or 0),
        list_pauses(pauses, now),
        usage,
        {name: ledger.get_spent(period) for name, period in periods.items()},
        {name: ledger.get_spent_by_caller(period) for name, period in periods.items()},
        {row.group["provider"]: row.amounts for row in ledger.sum_days(day, day, ["provider"])},
        list_processes(client),
        unreadable,
        info,
    )


def _to_wakeups(due: int, first: list[tuple[bytes, float]], at: float) -> Wakeups:
    return Wakeups(due, max(0.0, at - first[0][1]) if first else 0.0)
