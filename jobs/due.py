"""When jobs wake: due ids are taken with a lease and hinted to the workers, up to a bound."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import redis
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from ..config.logs import get_logger
from ..config.queues import Queue
from . import keys
from .job import after

log = get_logger(__name__)


# Should a worker die in the middle of a sweep, the others wait no longer than this.
GUARD_MS = 3000
# Sent in a fraction of that time on any machine; a sweep that is behind comes back at once.
MOST_AT_ONCE = 100


class Swept(NamedTuple):
    """The ids that a sweep hinted, and whether more may be due than the queue had room for."""

    hinted: list[str]
    behind: bool


class Due:
    """The due sets, and the hints that tell workers of them.

    A hint is a Celery message that names a job. It may be lost, doubled or late: the due set
    wakes the job again when its lease is over.
    """

    def __init__(self, client: redis.Redis, celery: Celery, bound: int, lease_s: float) -> None:
        self._redis = client
        self._celery = celery
        self._bound = bound
        self._lease_s = lease_s
        self._take = client.register_script(Path(__file__).with_name("take.lua").read_text())

    def hint(self, queue: Queue, job_ids: list[str], now: datetime) -> None:
        """Hint jobs that are due now, as far as the queue has room; a sweep does the rest."""
        try:
            fitting = job_ids[: self._room(queue)]
            if fitting:
                self._redis.zadd(keys.due(queue), dict.fromkeys(fitting, self._lease(now)), xx=True)
                self._send(queue, fitting)
        except (OperationalError, RedisError, OSError) as error:
            # The jobs are kept and their wake-ups set: nothing is lost but a second.
            log.warning("hint not sent", queue=queue, error=type(error).__name__)

    def sweep(self, queue: Queue, now: datetime) -> Swept:
        """Top the queue up with due jobs, in order, unless another worker is just doing so."""
        if not self._redis.zcount(keys.due(queue), "-inf", now.timestamp()):
            return Swept([], behind=False)
        # Two workers that saw the same room would fill the queue past its bound together.
        if not self._redis.set(keys.guard(queue), 1, nx=True, px=GUARD_MS):
            return Swept([], behind=True)
        try:
            most = min(self._room(queue), MOST_AT_ONCE)
            ids = self._leased(queue, now, most) if most else []
            self._send(queue, ids)
            return Swept(ids, behind=len(ids) == most)
        finally:
            self._redis.delete(keys.guard(queue))

    def _leased(self, queue: Queue, now: datetime, most: int) -> list[str]:
        ids: Any = self._take(
            keys=[keys.due(queue)], args=[now.timestamp(), most, self._lease(now)]
        )
        return [job_id.decode() for job_id in ids]

    def _lease(self, now: datetime) -> float:
        return after(now, self._lease_s).timestamp()

    def _room(self, queue: Queue) -> int:
        with self._celery.producer_pool.acquire(block=True) as producer:
            channel: Any = producer.channel
            standing: int = channel.queue_declare(queue=queue.value).message_count
            return max(0, self._bound - standing)

    def _send(self, queue: Queue, job_ids: list[str]) -> None:
        if not job_ids:
            return
        with self._celery.producer_pool.acquire(block=True) as producer:
            for job_id in job_ids:
                self._celery.send_task(
                    f"imagequeue.{queue}",
                    args=[job_id],
                    task_id=f"{job_id}.{queue}",
                    queue=queue.value,
                    producer=producer,
                    ignore_result=True,
                )
