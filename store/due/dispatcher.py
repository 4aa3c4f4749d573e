"""The dispatcher: it sends Celery messages for due jobs, up to a limit for each queue."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

import redis
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import LockError, RedisError

from ...config.logging import get_logger
from ...config.queues import Queue
from ...config.settings import Settings
from .. import keys
from ..broker import BrokerQueues, MessageCounts, borrow_producer, open_queues
from ..submit.queue import LeasedSubmits, SubmitQueue, open_submit_queue
from .wakeups import Priority, StartedStep, WakeUps

log = get_logger(__name__)

# If a worker dies during a sweep, the others sweep again after this long.
SWEEP_LOCK_S = 3.0
# Sending this many takes a fraction of SWEEP_LOCK_S; a sweep that has more to send is repeated.
MAX_AT_ONCE = 100
# One part in so many of a queue's limit is reserved for NORMAL messages.
NORMAL_SHARE = 4
# A broker that did not answer is asked again after this long, by one thread: no other waits for it.
AWAY_S = 2.0


class SweepResult(NamedTuple):
    """The ids that a sweep dispatched, and whether more may be due than the queue had room for."""

    dispatched: list[str]
    has_more: bool
    next_at: datetime | None = None
    """When a limit allows the next submission, as far as that is known."""


class Dispatcher:
    """Sends messages that tell workers which jobs are due.

    A message names one job. It may be lost, repeated or late: the due set has the job.
    """

    def __init__(
        self,
        wakeups: WakeUps,
        submits: SubmitQueue,
        broker: BrokerQueues,
        celery: Celery,
        max_messages: int,
    ) -> None:
        self._wakeups = wakeups
        self._submits = submits
        self._broker = broker
        self._celery = celery
        self._max_messages = max_messages
        self._away_until: float | None = None

    def dispatch(
        self,
        queue: Queue,
        job_ids: list[str],
        now: datetime,
        priority: Priority = Priority.NORMAL,
    ) -> None:
        """Send messages for due jobs while the queue has room; a sweep does the rest.

        In the submit queue that may be other jobs, whose turn comes before these.
        """
        if self._is_away():
            return
        try:
            room = self._measure_room(queue)[priority]
            if room and queue is Queue.SUBMIT:
                leased = self._submits.lease(now, room).job_ids
                self._send(queue, dict.fromkeys(leased, priority))
            elif room and job_ids:
                # A sweep may have dispatched some already: those are leased and are not sent twice.
                leased = self._wakeups.lease_due_ones(queue, job_ids[:room], now)
                self._send(queue, dict.fromkeys(leased, priority))
        except Exception as error:  # kombu raises more than it documents
            # The jobs and their wake-ups are stored: the sweep dispatches them.
            log.warning("dispatch_failed", queue=queue, error=type(error).__name__)

    def sweep(self, queue: Queue, now: datetime) -> SweepResult:
        """Fill the queue with due jobs, in order, unless another worker is doing it."""
        is_ready = queue is Queue.SUBMIT and self._submits.has_ready()
        if not is_ready and not self._wakeups.has_due(queue, now):
            return SweepResult([], has_more=False)
        # Two workers that measure the same room would exceed the limit together.
        lock = self._wakeups.redis.lock(keys.sweep_lock(queue), timeout=SWEEP_LOCK_S)
        if not lock.acquire(blocking=False):
            return SweepResult([], has_more=True)
        try:
            room, low_room = (min(room, MAX_AT_ONCE) for room in self._measure_room(queue))
            if queue is Queue.SUBMIT:
                return self._send_submits(self._submits.lease(now, room), room)
            leased = self._wakeups.lease(queue, now, room, low_room)
            self._send(queue, leased)
            return SweepResult(list(leased), has_more=len(leased) == room)
        finally:
            with suppress(LockError):  # it has expired
                lock.release()

    def take_next(self, queue: Queue, now: datetime, finished: str) -> StartedStep | None:
        """Finish the step of one job and start that of the next due one, without a message.

        A LOW job is left while NORMAL messages wait in the queue.
        """
        if queue is Queue.SUBMIT:
            leased = self._submits.lease(now, 1, finished=finished)
            return StartedStep(leased.job_ids[0], leased.starts) if leased.job_ids else None
        allow_low = queue is not Queue.DOWNLOAD or not self.has_normal_messages(queue)
        return self._wakeups.take_next(queue, now, finished, allow_low=allow_low)

    def send_delete_uploads(self) -> None:
        """Send a message to delete uploads that have ended: a storage may be slow."""
        with borrow_producer(self._celery) as producer:
            self._celery.send_task(
                "imagequeue.delete_uploads",
                queue=Queue.DOWNLOAD.value,
                priority=self._broker.rank(Priority.LOW),
                producer=producer,
                ignore_result=True,
            )

    def _send_submits(self, leased: LeasedSubmits, room: int) -> SweepResult:
        self._send(Queue.SUBMIT, dict.fromkeys(leased.job_ids, Priority.NORMAL))
        is_full = len(leased.job_ids) >= room
        return SweepResult(leased.job_ids, has_more=is_full, next_at=leased.next_at)

    def has_normal_messages(self, queue: Queue) -> bool:
        """Whether a NORMAL message waits in the queue, so that LOW work should make way.

        While the broker is away no message can, and the due jobs are all that is known.
        """
        try:
            return bool(self._count(queue)[queue, Priority.NORMAL])
        except (OperationalError, RedisError):
            return False

    def _measure_room(self, queue: Queue) -> tuple[int, int]:
        """Return how many more messages the queue takes, and how many of them may be LOW."""
        room = self._max_messages - sum(self._count(queue).values())
        return max(0, room), max(0, room - self._max_messages // NORMAL_SHARE)

    def _count(self, queue: Queue) -> MessageCounts:
        """Count messages; raises OperationalError or RedisError while the broker is away."""
        if self._is_away():
            raise OperationalError("the broker did not answer a moment ago")
        if self._away_until is not None:
            self._away_until = time.monotonic() + AWAY_S
        try:
            counts = self._broker.count(queue)
        except (OperationalError, RedisError):
            self._away_until = time.monotonic() + AWAY_S
            raise
        self._away_until = None
        return counts

    def _is_away(self) -> bool:
        """Whether the broker did not answer a moment ago."""
        return self._away_until is not None and time.monotonic() < self._away_until

    def _send(self, queue: Queue, priorities: Mapping[str, Priority]) -> None:
        if not priorities:
            return
        with borrow_producer(self._celery) as producer:
            for job_id, priority in priorities.items():
                self._celery.send_task(
                    f"imagequeue.{queue}",
                    args=[job_id],
                    task_id=f"{job_id}.{queue}",
                    queue=queue.value,
                    priority=self._broker.rank(priority),
                    producer=producer,
                    ignore_result=True,
                )


def open_dispatcher(
    settings: Settings, client: redis.Redis, celery: Celery, max_messages: int | None = None
) -> Dispatcher:
    """Return the dispatcher of a process; at most `max_messages` are in each of its queues."""
    return Dispatcher(
        WakeUps(client, settings.lease_s),
        open_submit_queue(client, settings),
        open_queues(settings, client, celery),
        celery,
        max_messages or settings.max_queued_messages,
    )
