"""Delete jobs: those whose retention has ended, and what is left of those whose record is gone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import redis

from ..config.queues import Queue
from ..jobs.ids import is_job_id
from ..jobs.job import FINISHED, Job, State
from . import keys
from .decoding import decode_id, decode_ids
from .listing import PAGE, iter_jobs
from .money import keys as money_keys
from .scripts import register_script

SCAN_PAGE = 1000
# About 300 bytes each; the sums by day stay.
MAX_LEDGER_ENTRIES = 200_000
DUE = [keys.due(queue) for queue in (Queue.SUBMIT, Queue.POLL, Queue.DOWNLOAD)]


class Deletion:
    """Deletes jobs with everything that counts or lists them."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._script = register_script(client, "delete_job")

    def delete_expired(self, now: datetime, max_jobs: int = PAGE) -> int:
        """Delete finished jobs whose retention has ended; return how many."""
        job_ids = self.list_expired(now, max_jobs)
        jobs = {job.id: job for job in iter_jobs(self._redis, "", job_ids)}
        # A damaged record does not say which indexes the job is in.
        every_index = self._find_indexes() if len(jobs) < len(job_ids) else []
        deleted = 0
        for job_id in job_ids:
            job = jobs.get(job_id)
            indexes = _list_indexes(job) if job else every_index
            counter = _get_counter(job) if job else ""
            deleted += self._delete(job_id, now.timestamp(), indexes, counter)
        return deleted

    def trim_ledger(self) -> None:
        """Delete the oldest entries of the ledger; with an archive, they would be missing there."""
        self._redis.xtrim(money_keys.LEDGER, MAX_LEDGER_ENTRIES, approximate=True)

    def list_expired(self, now: datetime, max_jobs: int = PAGE) -> list[str]:
        """Return the finished jobs whose retention has ended, the first one first."""
        ids: Any = self._redis.zrange(
            keys.RETENTION, "-inf", now.timestamp(), byscore=True, offset=0, num=max_jobs
        )
        if invalid := [each for each in ids if not is_job_id(decode_id(each))]:
            self._redis.zrem(keys.RETENTION, *invalid)  # each would be searched for everywhere
        return list(filter(is_job_id, decode_ids(ids)))

    def delete_archived(self, job: Job, now: datetime) -> bool:
        """Delete a job that is archived as it is given; return False if it is another by now."""
        indexes = _list_indexes(job)
        return bool(self._delete(job.id, now.timestamp(), indexes, _get_counter(job), job.revision))

    def delete_remains(self, job_id: str) -> bool:
        """Delete what is left of a job whose record is gone; return whether there was anything."""
        if not is_job_id(job_id):
            return False
        wake_ups = [self._redis.zscore(due, job_id) for due in (keys.RETENTION, *DUE)]
        # A late message of a job that was deleted is no reason to search.
        has_remains = any(each is not None for each in wake_ups)
        return has_remains and bool(self._delete(job_id, 0, self._find_indexes()))

    def _delete(
        self, job_id: str, now: float, indexes: list[str], counter: str = "", archived: str = ""
    ) -> int:
        deleted: int = self._script(
            keys=[
                keys.record(job_id),
                keys.callbacks(job_id),
                keys.RETENTION,
                keys.COUNTERS,
                keys.UNREADABLE,
                keys.OPEN_JOBS,
                keys.PLACES,
                keys.PERMITS,
                keys.DEADLINES,
                money_keys.RESERVED,
                *DUE,
                *indexes,
            ],
            args=[job_id, now, f" {' '.join(FINISHED)} ", counter, archived],
        )
        return deleted

    def _find_indexes(self) -> list[str]:
        """Return every index there is, which takes a second for a million jobs."""
        found = self._redis.scan_iter(keys.EVERY_INDEX, count=SCAN_PAGE, _type="zset")
        return [name.decode() for name in found]


def _get_counter(job: Job) -> str:
    return f"jobs.{job.state}.{job.provider}"


def _list_indexes(job: Job) -> list[str]:
    """Return every index that may hold a job, whatever its state."""
    return [
        index for state in State for index in keys.indexes(state, job.submitted_by, job.provider)
    ]
