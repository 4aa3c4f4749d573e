"""Counters and histograms for metrics, summed over all processes.

A process that is killed loses its counts of the last second. The jobs' records are exact.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Any

import redis

from . import keys
from .decoding import decode_numbers

BUCKETS_MS = (
    *(1, 2, 5, 10, 25, 50, 100, 250, 1_000, 10_000),
    *(30_000, 60_000, 120_000, 300_000, 600_000, 3_600_000),
)
"""Upper bounds of a histogram's buckets; the last bucket, `inf`, has none."""


def name_bucket(name: str, ms: float) -> str:
    """Return the counter of the bucket of a duration in the histogram `name`."""
    at = bisect_left(BUCKETS_MS, ms)
    return f"{name}.le.{BUCKETS_MS[at] if at < len(BUCKETS_MS) else 'inf'}"


class PendingCounts(Counter[str]):
    """Counts of this process that are not added to the sums yet."""

    def observe(self, name: str, ms: float) -> None:
        """Count a duration in the histogram `name`."""
        self[name_bucket(name, ms)] += 1
        self[f"{name}.us"] += round(ms * 1000)


class Counters:
    """The sums, in one hash."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def add(self, counts: PendingCounts) -> None:
        """Add counts to the sums."""
        with self._redis.pipeline(transaction=True) as pipe:
            for name, count in counts.items():
                pipe.hincrby(keys.COUNTERS, name, count)
            pipe.execute()

    def read(self) -> dict[str, int]:
        """Return every sum by its name."""
        sums: Any = self._redis.hgetall(keys.COUNTERS)
        return decode_numbers(sums)
