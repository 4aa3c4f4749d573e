"""The due sets: when each job needs work next, and who works on it until then."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum
from typing import Any, NamedTuple

import redis

from ...config.queues import Queue
from ...jobs.job import add_seconds
from .. import keys
from ..clock import MAX_CLOCK_SKEW_S
from ..decoding import decode_id, decode_ids
from ..scripts import register_script

# A download is LOW while its first URL lives longer than this.
LOW_AFTER_S = 3600.0
# Leased and postponed downloads are in the order of deadlines too: a scan stops after this many.
MAX_SCANNED = 2000
MAX_DUE_SOON = 100


class Priority(IntEnum):
    """The priority of a message in its queue; workers take the lowest number first."""

    NORMAL = 0
    LOW = 1

    @classmethod
    def of(cls, deadline: datetime | None, now: datetime) -> Priority:
        """Return the priority of a job whose first URL expires at `deadline`, if it has one."""
        is_low = deadline is not None and deadline > add_seconds(now, LOW_AFTER_S)
        return cls.LOW if is_low else cls.NORMAL


class StartedStep(NamedTuple):
    """A job whose step was started, and how often since it last finished, this time included."""

    job_id: str
    starts: int


class WakeUps:
    """One due set for each queue: job ids by the time when the queue must work on them.

    A job is leased by raising its wake-up to the end of the lease, never by removing it. If the
    message or the worker is lost, the job is due again when the lease ends.
    """

    def __init__(self, client: redis.Redis, lease_s: float) -> None:
        self.redis = client
        self._lease_s = lease_s
        self._lease_due = register_script(client, "lease_due")
        self._lease_by_deadline = register_script(client, "lease_by_deadline")
        self._lease_each = register_script(client, "lease_each")
        self._take_next = register_script(client, "take_next")
        self._take_next_download = register_script(client, "take_next_download")

    def set_wake_up(self, queue: Queue, job_id: str, until: datetime) -> None:
        """Set the wake-up of a job that has one."""
        self.redis.zadd(keys.due(queue), {job_id: until.timestamp()}, xx=True)

    def wake_no_later_than(self, queue: Queue, job_id: str, until: datetime) -> None:
        """Move the wake-up of a job that has one forward, never back."""
        self.redis.zadd(keys.due(queue), {job_id: until.timestamp()}, xx=True, lt=True)

    def has_due(self, queue: Queue, now: datetime) -> bool:
        """Whether any job of the queue is due."""
        return bool(self.redis.zcount(keys.due(queue), "-inf", now.timestamp()))

    def list_due_soon(self, queue: Queue, now: datetime) -> list[str]:
        """Return up to 100 ids that wake within a lease: dispatched ones, and others due soon."""
        lease_end = self._end_lease(now)
        ids: Any = self.redis.zrange(
            keys.due(queue), "-inf", lease_end, byscore=True, offset=0, num=MAX_DUE_SOON
        )
        return decode_ids(ids)

    def lease(
        self, queue: Queue, now: datetime, max_jobs: int, max_low: int
    ) -> dict[str, Priority]:
        """Lease due jobs, in order; downloads in the order in which their first URLs expire."""
        timestamp, lease_end = now.timestamp(), self._end_lease(now)
        if queue is not Queue.DOWNLOAD:
            due: Any = self._lease_due(
                keys=[keys.due(queue)], args=[timestamp, lease_end, max_jobs]
            )
            return dict.fromkeys(decode_ids(due), Priority.NORMAL)
        low_after = add_seconds(now, LOW_AFTER_S).timestamp()
        pairs: Any = self._lease_by_deadline(
            keys=[keys.due(queue), keys.DEADLINES],
            args=[timestamp, lease_end, max_jobs, max_low, low_after, MAX_SCANNED],
        )
        return {
            decode_id(job_id): Priority(priority)
            for job_id, priority in zip(pairs[::2], pairs[1::2], strict=True)
        }

    def lease_due_ones(self, queue: Queue, job_ids: list[str], now: datetime) -> list[str]:
        """Lease those of the jobs that are due, and return their ids."""
        return self._lease_those(queue, job_ids, now.timestamp(), self._end_lease(now))

    def claim(
        self, queue: Queue, job_ids: list[str], now: datetime, *, required: int = 1
    ) -> list[str]:
        """Lease jobs to the caller alone for two leases; return the ids of those it got.

        The first job is the one that a message named. If another worker has claimed it, the
        caller gets none, unless it is not `required`.
        """
        # The lease of a dispatched job ends no later than this, so a later wake-up is a claim.
        latest = self._end_lease(now) + MAX_CLOCK_SKEW_S
        claim_end = add_seconds(now, 2 * self._lease_s).timestamp()
        return self._lease_those(queue, job_ids, latest, claim_end, required)

    def take_next(
        self, queue: Queue, now: datetime, finished: str, *, allow_low: bool
    ) -> StartedStep | None:
        """Finish the step of one job, and lease and start the next due job of the queue, if any."""
        due, suffix = keys.due(queue), keys.step("", queue)
        args: list[Any] = [now.timestamp(), self._end_lease(now), finished, suffix]
        if queue is Queue.DOWNLOAD:
            low_after = add_seconds(now, LOW_AFTER_S).timestamp()
            taken = self._take_next_download(
                keys=[due, keys.STARTS, keys.DEADLINES],
                args=[*args, int(allow_low), low_after, MAX_SCANNED],
            )
        else:
            taken = self._take_next(keys=[due, keys.STARTS], args=args)
        return StartedStep(decode_id(taken[0]), taken[1]) if taken else None

    def _lease_those(
        self, queue: Queue, job_ids: list[str], latest: float, until: float, required: int = 0
    ) -> list[str]:
        """Raise wake-ups that are not after `latest` to `until`; return the ids."""
        ids: Any = self._lease_each(
            keys=[keys.due(queue)], args=[latest, until, required, *job_ids]
        )
        return decode_ids(ids)

    def _end_lease(self, now: datetime) -> float:
        return add_seconds(now, self._lease_s).timestamp()
