"""Move finished jobs and entries of the ledger to the archive, and jobs back.

What moves is first committed there, and then removed here if it is still the same. A crash between
the two leaves both, and the next move ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import redis

from ...errors import UnreadableJobError
from ...jobs.job import Job
from ...jobs.snapshot import Snapshot
from .. import keys
from ..codec import load
from ..deletion import Deletion
from ..listing import PAGE, report_unreadable
from ..money import keys as money_keys
from ..scripts import register_script
from .job_archive import JobArchive

MAX_ENTRIES = 500
# An entry is never changed; in Redis, the newest ones are read fast.
ENTRY_AGE_S = 3600
# What cannot be moved now is tried again then.
PUT_OFF_S = 60
# A damaged record can be restored until then, and every day after.
UNREADABLE_PUT_OFF_S = 86400


class Archiving:
    """Moves what is finished from Redis to the archive."""

    def __init__(self, client: redis.Redis, deletion: Deletion, archive: JobArchive) -> None:
        self._redis = client
        self._deletion = deletion
        self._archive = archive

    def move_jobs(self, now: datetime, max_jobs: int = PAGE) -> int:
        """Move finished jobs whose time in Redis has ended; return how many were looked at."""
        ids = self._deletion.list_expired(now, max_jobs)
        if not ids:
            return 0
        with self._redis.pipeline(transaction=True) as pipe:
            # At one time: of two readings, the later one has the newer record.
            pipe.time()
            pipe.mget([keys.record(job_id) for job_id in ids])
            (seconds, micros), records = pipe.execute()
        snapshots: list[Snapshot] = []
        for job_id, record in zip(ids, records, strict=True):
            if record is None:
                self._deletion.delete_remains(job_id)
                continue
            try:
                job = load(job_id, record, "")
            except UnreadableJobError as error:
                report_unreadable(self._redis, error)
                self._put_off([job_id], now, UNREADABLE_PUT_OFF_S)
            else:
                snapshots.append(Snapshot(job, record, seconds * 1_000_000 + micros))
        stored = self._archive.put(snapshots)
        self._delete([each.job for each in snapshots if each.job.id in stored], now)
        self._put_off([each.job.id for each in snapshots if each.job.id not in stored], now)
        return len(ids)

    def _delete(self, jobs: Sequence[Job], now: datetime) -> None:
        """Delete archived jobs from Redis, unless they have changed or have unread callbacks."""
        stay = [job.id for job in jobs if not self._deletion.delete_archived(job, now)]
        if stay:
            self._archive.mark_restored(stay)
            self._put_off(stay, now)

    def _put_off(self, job_ids: Sequence[str], now: datetime, seconds: float = PUT_OFF_S) -> None:
        if job_ids:
            again_at = now.timestamp() + seconds
            self._redis.zadd(keys.RETENTION, dict.fromkeys(job_ids, again_at), xx=True)

    def move_entries(self, now: datetime) -> int:
        """Move the oldest entries of the ledger; return how many."""
        until = int((now.timestamp() - ENTRY_AGE_S) * 1000)
        found: Any = self._redis.xrange(money_keys.LEDGER, "-", str(until), MAX_ENTRIES)
        if found:
            self._archive.put_entries(
                [(id_.decode(), e[b"job"].decode(), e[b"entry"].decode()) for id_, e in found]
            )
            self._redis.xdel(money_keys.LEDGER, *(id_ for id_, _ in found))
        return len(found)


def restore_job(client: redis.Redis, archive: JobArchive, job_id: str) -> bool:
    """Bring an archived job back into Redis, unless it is there; return whether it is archived."""
    with archive.restoring(job_id) as record:
        if record is None:
            return False
        job = load(job_id, record, "")
        register_script(client, "restore_job")(
            keys=[
                keys.record(job_id),
                keys.RETENTION,
                keys.COUNTERS,
                *keys.indexes(job.state, job.submitted_by, job.provider),
            ],
            args=[job_id, record, PUT_OFF_S, f"jobs.{job.state}.{job.provider}"],
        )
    return True
