"""When jobs wake: due ids are taken with a lease and hinted to the workers, up to a bound."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import Any, NamedTuple

import redis
from celery import Celery
from kombu.exceptions import OperationalError
from kombu.transport.redis import Channel
from redis.exceptions import RedisError

from ..config.logging import get_logger
from ..config.queues import Queue
from ..jobs.job import add_seconds
from . import keys
from .scripts import read_script

log = get_logger(__name__)


# Should a worker die in the middle of a sweep, the others wait no longer than this.
GUARD_MS = 3000
# A queue that was full keeps its workers busy for longer: they find what is due without a hint.
FULL_S = 0.05
# Sent in a fraction of that time on any machine; a sweep that is has_more comes back at once.
MAX_AT_ONCE = 100
# What two machines' clocks may differ by.
CLOCKS_DIFFER_S = 2.0


# A URL that lives longer than this is patient: its download never stands in the way of others.
PATIENT_AFTER_S = 3600.0
# Of a queue's bound, the share kept free of patient hints.
URGENT_SHARE = 4
# Downloads that are under way or put off stand in front of the others, in the order of deadlines.
MAX_LOOKED_AT = 2000


class Priority(IntEnum):
    """The priority of a hint in its queue, as kombu counts on Redis: a worker takes 0 first."""

    NORMAL = 0
    LOW = 1

    @classmethod
    def of(cls, deadline: datetime | None, now: datetime) -> Priority:
        """The lane of a job whose first URL dies at `deadline`."""
        patient = deadline is not None and deadline > add_seconds(now, PATIENT_AFTER_S)
        return cls.LOW if patient else cls.NORMAL


class StartedStep(NamedTuple):
    """A job whose step was started, and its number of starts without a finish, this one included."""

    job_id: str
    starts: int


class Swept(NamedTuple):
    """The ids that a sweep hinted, and whether more may be due than the queue had room for."""

    hinted: list[str]
    has_more: bool


class WakeUps:
    """The due sets, and the hints that tell workers of them.

    A hint is a Celery message that names a job. It may be lost, doubled or late: the due set
    wakes the job again when its lease is over.
    """

    def __init__(
        self,
        client: redis.Redis,
        broker: redis.Redis,
        celery: Celery,
        *,
        bound: int,
        lease_s: float,
    ) -> None:
        self._redis = client
        self._broker = broker
        self._full_until: dict[tuple[Queue, Priority], float] = {}
        """Until when on the monotonic clock a lane is taken to be full."""
        self._celery = celery
        self._bound = bound
        self._lease_s = lease_s
        self._take = client.register_script(read_script("lease_due"))
        self._take_first = client.register_script(read_script("lease_by_deadline"))
        self._claim = client.register_script(read_script("claim"))
        self._count = broker.register_script(read_script("queue_lengths"))
        self._take_next = client.register_script(read_script("take_next"))
        self._take_next_download = client.register_script(read_script("take_next_download"))

    def dispatch(
        self, queue: Queue, job_ids: list[str], now: datetime, lane: Priority = Priority.NORMAL
    ) -> None:
        """Hint jobs that are due now, as far as the queue has room; a sweep does the rest."""
        if time.monotonic() < self._full_until.get((queue, lane), 0):
            return
        try:
            room = self._room(queue)[lane]
            if not room:
                self._full_until[queue, lane] = time.monotonic() + FULL_S
            if fitting := job_ids[:room]:
                # One that a sweep has leased in the meantime is hinted by it, and not twice.
                leased = self._claimed(queue, fitting, now.timestamp(), self._lease(now))
                self._send(queue, dict.fromkeys(leased, lane))
        except (OperationalError, RedisError, OSError) as error:
            # The jobs are kept and their wake-ups set: nothing is lost but a second.
            log.warning("hint not sent", queue=queue, error=type(error).__name__)

    def sweep(self, queue: Queue, now: datetime) -> Swept:
        """Top the queue up with due jobs, in order, unless another worker is just doing so."""
        if not self._redis.zcount(keys.due(queue), "-inf", now.timestamp()):
            return Swept([], has_more=False)
        if not any(self._room(queue)):
            return Swept([], has_more=True)
        # Two workers that saw the same room would fill the queue past its bound together.
        if not self._redis.set(keys.guard(queue), 1, nx=True, px=GUARD_MS):
            return Swept([], has_more=True)
        try:
            rooms = [min(room, MAX_AT_ONCE) for room in self._room(queue)]
            if queue is Queue.DOWNLOAD:
                found: Any = self._take_first(*self._first(now, *rooms))
                pairs = zip(found[::2], found[1::2], strict=True)
                taken = {job_id.decode(): Priority(lane) for job_id, lane in pairs}
            else:
                found = self._take(*self._some(queue, now, rooms[Priority.NORMAL]))
                taken = dict.fromkeys((job_id.decode() for job_id in found), Priority.NORMAL)
            self._send(queue, taken)
            return Swept(list(taken), has_more=len(taken) == rooms[Priority.NORMAL])
        finally:
            self._redis.delete(keys.guard(queue))

    def take_next(self, queue: Queue, now: datetime, finished: str) -> StartedStep | None:
        """Finish the step of one job and start that of the next due job of the queue, if any.

        The job is leased and its start is counted. LOW downloads wait for queued NORMAL ones.
        """
        due, suffix = keys.due(queue), keys.step("", queue)
        args: list[Any] = [now.timestamp(), self._lease(now), finished, suffix]
        if queue is Queue.DOWNLOAD:
            low_after = add_seconds(now, PATIENT_AFTER_S).timestamp()
            allow_low = int(not self.urgent_waits(queue))
            args += [allow_low, low_after, MAX_LOOKED_AT]
            taken = self._take_next_download(keys=[due, keys.STARTS, keys.DEADLINES], args=args)
        else:
            taken = self._take_next(keys=[due, keys.STARTS], args=args)
        return StartedStep(taken[0].decode(), taken[1]) if taken else None

    def urgent_waits(self, queue: Queue) -> bool:
        """Whether an urgent hint stands in the queue, so that a patient job should make way."""
        return bool(self._broker.llen(_list(queue, Priority.NORMAL)))

    def due_soon(self, queue: Queue, now: datetime) -> list[str]:
        """Some ids that wake within a lease: those that were hinted, or are due soon."""
        ids: Any = self._redis.zrange(
            keys.due(queue), "-inf", self._lease(now), byscore=True, offset=0, num=MAX_AT_ONCE
        )
        return [job_id.decode() for job_id in ids]

    def claim(self, queue: Queue, job_ids: list[str], now: datetime) -> list[str]:
        """Keep jobs to oneself for two leases; returns those that nobody else has.

        None at all if somebody has the first: it is the caller's own, which was hinted to it.
        """
        # A hint's lease ends no later than this, for it was sent before it came.
        unclaimed = self._lease(now) + CLOCKS_DIFFER_S
        claimed = add_seconds(now, 2 * self._lease_s).timestamp()
        return self._claimed(queue, job_ids, unclaimed, claimed, needed=1)

    def _claimed(
        self, queue: Queue, job_ids: list[str], latest: float, until: float, needed: int = 0
    ) -> list[str]:
        args: list[Any] = [latest, until, needed, *job_ids]
        ids: Any = self._claim(keys=[keys.due(queue)], args=args)
        return [job_id.decode() for job_id in ids]

    def _some(self, queue: Queue, now: datetime, most: int) -> tuple[list[str], list[Any]]:
        """Keys and arguments that take due ids."""
        return [keys.due(queue)], [now.timestamp(), most, self._lease(now)]

    def _first(self, now: datetime, most: int, most_patient: int) -> tuple[list[str], list[Any]]:
        """Keys and arguments that take due downloads by their deadlines."""
        patience = add_seconds(now, PATIENT_AFTER_S).timestamp()
        return (
            [keys.due(Queue.DOWNLOAD), keys.DEADLINES],
            [now.timestamp(), self._lease(now), most, most_patient, patience, MAX_LOOKED_AT],
        )

    def _lease(self, now: datetime) -> float:
        return add_seconds(now, self._lease_s).timestamp()

    def _room(self, queue: Queue) -> tuple[int, int]:
        """How many more hints the queue takes in each lane."""
        room = self._bound - sum(self._standing(queue))
        return max(0, room), max(0, room - self._bound // URGENT_SHARE)

    def _standing(self, queue: Queue) -> list[int]:
        """How many hints stand in each lane of the queue."""
        standing: list[int] = self._count(keys=[_list(queue, lane) for lane in Priority])
        return standing

    def _send(self, queue: Queue, lanes: Mapping[str, Priority]) -> None:
        if not lanes:
            return
        with self._celery.producer_pool.acquire(block=True) as producer:
            for job_id, lane in lanes.items():
                self._celery.send_task(
                    f"imagequeue.{queue}",
                    args=[job_id],
                    task_id=f"{job_id}.{queue}",
                    queue=queue.value,
                    priority=lane.value,
                    producer=producer,
                    ignore_result=True,
                )


def _list(queue: Queue, lane: Priority) -> str:
    """The list that kombu keeps a lane in: under the queue's plain name, the first."""
    return f"{queue}{Channel.sep}{lane}" if lane else queue.value
