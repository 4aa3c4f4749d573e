"""Unfinished starts, counted so that a job that crashes its worker is not retried forever."""

from __future__ import annotations

from typing import Any

import redis

from ...config.queues import Queue
from .. import keys


class StepStarts:
    """How often the step of each job was started since it last finished."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def start(self, job_id: str, queue: Queue) -> int:
        """Count a start; return the number of starts without a finish, this one included."""
        starts: Any = self._redis.hincrby(keys.STARTS, keys.step(job_id, queue), 1)
        return int(starts)

    def finish(self, job_id: str, queue: Queue) -> None:
        """Delete the count: the step has finished, whatever its result."""
        self._redis.hdel(keys.STARTS, keys.step(job_id, queue))
