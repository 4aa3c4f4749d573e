"""Pauses that a provider asked for; each applies to one key of an account, in every worker."""

from __future__ import annotations

from typing import Any

import redis

from ..config.queues import Queue
from . import keys


class AccountPauses:
    """One pause for each account key and queue; it ends by itself."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def begin(self, quota: str, key: str, queue: Queue, seconds: float) -> None:
        """Stop the queue's requests with a key, given by its name, for some seconds."""
        self._redis.set(keys.pause(quota, key, queue), 1, px=max(1, round(seconds * 1000)))

    def remaining_s(self, quota: str, key: str, queue: Queue) -> float:
        """Return how many seconds the pause still lasts; 0 if there is none."""
        remaining_ms: Any = self._redis.pttl(keys.pause(quota, key, queue))
        return max(0, int(remaining_ms)) / 1000
