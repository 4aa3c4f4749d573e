"""The limit of status requests, counted together for all workers."""

from __future__ import annotations

from datetime import datetime

import redis

from . import keys
from .scripts import register_script


class LookupLimiter:
    """Spreads the status requests of each account key, first come, first served."""

    def __init__(self, client: redis.Redis) -> None:
        self._reserve = register_script(client, "reserve_lookup")

    def reserve(
        self,
        job_id: str,
        quota: str,
        account_key: str,
        per_second: int,
        now: datetime,
        *,
        jobs_per_request: int = 1,
    ) -> float:
        """Return the seconds until a job may ask; 0.0: now, which counts. Then it asks again."""
        if not per_second:
            return 0.0
        wait_ms = self._reserve(
            keys=[keys.lookups(quota, account_key), keys.lookups_waiting(quota, account_key)],
            args=[job_id, round(now.timestamp() * 1000), per_second, jobs_per_request],
        )
        return float(wait_ms) / 1000
