"""How often a step was begun and not ended: what kills its workers must not go round for ever."""

from __future__ import annotations

from typing import Any

import redis

from ..config.queues import Queue
from . import keys


class Starts:
    """Counts the steps of jobs that were begun; an ended one, whatever came of it, is forgotten."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def begin(self, job_id: str, stage: Queue) -> int:
        """Count a step that begins; returns how often it has without ending, this time included."""
        count: Any = self._redis.hincrby(keys.STARTS, f"{job_id}.{stage}", 1)
        return int(count)

    def end(self, job_id: str, stage: Queue) -> None:
        """Forget the count: the step came to an end of its own."""
        self._redis.hdel(keys.STARTS, f"{job_id}.{stage}")
