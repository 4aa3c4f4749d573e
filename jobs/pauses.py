"""Pauses that a provider asked for, kept for the whole account: every worker leaves it alone."""

from __future__ import annotations

from typing import Any

import redis

from ..config.queues import Queue
from . import keys


class Pauses:
    """Per account and kind of work; a pause ends by itself."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def begin(self, account: str, stage: Queue, seconds: float) -> None:
        """Send no more work of this kind to the account for some seconds."""
        self._redis.set(keys.pause(account, stage), 1, px=max(1, round(seconds * 1000)))

    def left_s(self, account: str, stage: Queue) -> float:
        """How long the account is still to be left alone; 0 if it is not."""
        left_ms: Any = self._redis.pttl(keys.pause(account, stage))
        return max(0, int(left_ms)) / 1000
