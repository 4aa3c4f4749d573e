"""How much of the limits is in use, and the jobs that wait for it; for metrics and the doctor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import redis

from ...providers.request import PRIORITIES, Priority
from .. import keys
from ..decoding import decode_id
from .queue import Quota


class KeyUsage(NamedTuple):
    """What one account key has in use now; its limits are those of the quota."""

    quota: str
    key: str
    in_flight: int
    sent: int
    """Submissions that count in the window now, with those whose answer is still out."""


class Ready(NamedTuple):
    """The jobs of a quota and priority that wait for a permit."""

    jobs: int = 0
    oldest_s: float = 0.0
    """How long ago the oldest of them was submitted, or retried."""


class SubmitUsage(NamedTuple):
    """The state of the submit queue at one moment."""

    keys: list[KeyUsage]
    ready: dict[tuple[str, Priority], Ready]
    neglected_s: float
    """How long no process has looked for jobs to send although some are ready."""


def measure_usage(client: redis.Redis, quotas: Mapping[str, Quota], now: datetime) -> SubmitUsage:
    """Return the usage of each key and the ready jobs of each quota, in two round trips."""
    pairs = [(name, key) for name, quota in quotas.items() for key in quota.keys]
    groups = [(name, priority) for name in quotas for priority in PRIORITIES]
    at = now.timestamp()
    with client.pipeline(transaction=False) as pipe:
        for name, key in pairs:
            pipe.scard(keys.in_flight_at(name, key))
            pipe.zcount(keys.sent(name, key), f"({at - quotas[name].seconds}", "+inf")
        for name, priority in groups:
            pipe.zrange(keys.lines(name, priority), 0, -1)
        pipe.get(keys.LEASED_AT)
        answers = iter(pipe.execute())
    usage = [KeyUsage(name, key, next(answers), next(answers)) for name, key in pairs]
    lines = [(group, decode_id(line)) for group in groups for line in next(answers)]
    leased_at = next(answers)
    ready = _measure_lines(client, lines, at)
    neglected_s = max(0.0, at - float(leased_at)) if leased_at and any(ready.values()) else 0.0
    return SubmitUsage(usage, {group: ready[group] for group in groups}, neglected_s)


def _measure_lines(
    client: redis.Redis, lines: list[tuple[tuple[str, Priority], str]], at: float
) -> defaultdict[tuple[str, Priority], Ready]:
    with client.pipeline(transaction=False) as pipe:
        for (name, priority), line in lines:
            pipe.zcard(keys.ready(name, priority, line))
            pipe.zrange(keys.ready(name, priority, line), 0, 0, withscores=True)
        answers = iter(pipe.execute())
    ready: defaultdict[tuple[str, Priority], Ready] = defaultdict(Ready)
    for group, _ in lines:
        jobs, first = next(answers), next(answers)
        if first:
            known = ready[group]
            oldest_s = max(known.oldest_s, at - first[0][1] / 1000)
            ready[group] = Ready(known.jobs + jobs, oldest_s)
    return ready
