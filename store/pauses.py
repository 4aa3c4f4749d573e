"""Pauses that a provider asked for; they apply to the whole account, in every worker."""

from __future__ import annotations

from typing import Any

import redis

from ..config.queues import Queue
from . import keys


class AccountPauses:
    """One pause for each account and queue; it ends by itself."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def begin(self, account: str, queue: Queue, seconds: float) -> None:
        """Stop the queue's requests to an account for some seconds."""
        self._redis.set(keys.pause(account, queue), 1, px=max(1, round(seconds * 1000)))

    def remaining_s(self, account: str, queue: Queue) -> float:
        """Return how many seconds the pause still lasts; 0 if there is none."""
        remaining_ms: Any = self._redis.pttl(keys.pause(account, queue))
        return max(0, int(remaining_ms)) / 1000
