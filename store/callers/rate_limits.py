"""Rate limits of callers, counted together for all API processes."""

from __future__ import annotations

from datetime import datetime

import redis

from ...errors import LimitError
from .. import keys
from ..scripts import register_script
from .api_keys import Limits

# Sent as Retry-After where a limit depends on when jobs finish, which is unknown.
RETRY_AFTER_S = 10
VERBS = {"per_minute": "send {} jobs a minute", "open_jobs": "have {} open jobs"}


class RateLimiter:
    """Applies the limits of each caller."""

    def __init__(self, client: redis.Redis) -> None:
        self._acquire = register_script(client, "acquire_rate_limit")

    def acquire(self, caller: str, limits: Limits, jobs: int, now: datetime) -> None:
        """Count jobs that are about to be submitted; raises LimitError, and then counts none.

        Jobs that are rejected afterwards stay counted for a minute.
        """
        if not (limits.per_minute or limits.open_jobs):
            return
        result, *rest = self._acquire(
            keys=[keys.rate_limit(caller), keys.OPEN_JOBS],
            args=[caller, jobs, int(now.timestamp()), limits.per_minute, limits.open_jobs],
        )
        if result != b"ok":
            raise _make_limit_error(result.decode(), limits, jobs, *rest)


def _make_limit_error(limit: str, limits: Limits, jobs: int, seconds: int) -> LimitError:
    allowed: int = getattr(limits, limit)
    rule = f"this key may {VERBS[limit].format(allowed)}"
    if jobs > allowed:
        return LimitError(f"{rule}, and {jobs} came at once: send fewer at a time")
    wait_s = seconds or RETRY_AFTER_S
    return LimitError(f"{rule}: try again in {wait_s} s", wait_s)
