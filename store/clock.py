"""The time by which jobs are decided: that of Redis, the same for every process."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import redis
from redis.exceptions import RedisError

from ..config.logging import get_logger

log = get_logger(__name__)

# The largest difference between the clocks of two machines that is tolerated.
MAX_CLOCK_SKEW_S = 2.0
# Two machines drift apart by milliseconds in this time.
REFRESH_S = 60.0


class RedisClock:
    """Tells the time of Redis in UTC, in whole milliseconds, as records store it.

    It is read from Redis once a minute, and continued by the monotonic clock in between. A process
    whose own clock is wrong is warned about and otherwise works as any other.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._offset_s: float | None = None
        self._refresh_at = 0.0
        self._is_skewed = False

    def __call__(self) -> datetime:
        """Return the time; raises RedisError only if Redis was never asked before."""
        self.refresh()
        return self.estimate()

    def refresh(self) -> None:
        """Ask Redis for its time if the last answer is old."""
        started = time.monotonic()
        if started < self._refresh_at and self._offset_s is not None:
            return
        self._refresh_at = started + REFRESH_S
        try:
            answer: Any = self._redis.time()
        except RedisError:
            if self._offset_s is None:
                raise
            return
        seconds, micros = answer
        took_s = time.monotonic() - started
        # A slow answer says less than the time that was continued since the last one.
        if self._offset_s is None or took_s < MAX_CLOCK_SKEW_S:
            self._offset_s = seconds + micros / 1e6 - started - took_s / 2
            self._warn_about_skew()

    def estimate(self) -> datetime:
        """Return the time without asking Redis, after the first `refresh`."""
        now_s = time.monotonic() + (self._offset_s or 0.0)
        return datetime.fromtimestamp(int(now_s * 1000) / 1000, UTC)

    def measure_skew_s(self) -> float:
        """Return by how many seconds this machine's clock is ahead of Redis's."""
        self.refresh()
        return self._estimate_skew_s()

    def _estimate_skew_s(self) -> float:
        return time.time() - time.monotonic() - (self._offset_s or 0.0)

    def _warn_about_skew(self) -> None:
        ahead_s = self._estimate_skew_s()
        is_skewed = abs(ahead_s) > MAX_CLOCK_SKEW_S
        if is_skewed and not self._is_skewed:
            log.warning("clock_differs_from_redis", ahead_s=round(ahead_s, 1))
        self._is_skewed = is_skewed
