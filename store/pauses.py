"""Pauses that a provider asked for, kept for the whole account: every worker leaves it alone."""

from __future__ import annotations

import time
from typing import Any

import redis

from ..config.queues import Queue
from . import keys

# What is sent in the meantime after another worker has met a limit is refused, and costs nothing.
ASK_EVERY_S = 0.2


class AccountPauses:
    """Per account and kind of work; a pause ends by itself."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._none_until: dict[str, float] = {}
        """Until when on the monotonic clock an account is taken to be free."""

    def begin(self, account: str, stage: Queue, seconds: float) -> None:
        """Send no more work of this kind to the account for some seconds."""
        key = keys.pause(account, stage)
        self._redis.set(key, 1, px=max(1, round(seconds * 1000)))
        self._none_until.pop(key, None)

    def left_s(self, account: str, stage: Queue) -> float:
        """How long the account is still to be left alone; 0 if it is not."""
        key = keys.pause(account, stage)
        if time.monotonic() < self._none_until.get(key, 0):
            return 0
        left_ms: Any = self._redis.pttl(key)
        if left_ms <= 0:
            self._none_until[key] = time.monotonic() + ASK_EVERY_S
        return max(0, int(left_ms)) / 1000
