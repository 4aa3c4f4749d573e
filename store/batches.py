"""Batches: what was submitted together, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

import redis

from ..errors import UnknownBatchError, UnreadableRecordError
from ..jobs.batch import Batch, parse_batch
from ..jobs.ids import is_batch_id
from ..jobs.job import Job, State
from . import keys
from .decoding import decode_id, decode_ids
from .listing import Page, report_unreadable

# Longer than a job can wait for its end and its record is retained afterwards.
BATCH_TTL_S = 90 * 86400


class Batches:
    """Each batch is a hash: its document, and how many of its jobs are in each state."""

    def __init__(
        self, client: redis.Redis, iter_jobs: Callable[[Iterable[str]], Iterator[Job]]
    ) -> None:
        self._redis = client
        self._iter_jobs = iter_jobs

    def add(self, batch: Batch) -> None:
        """Store a batch without new jobs."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.batch(batch.id), "document", batch.dump())
            pipe.expire(keys.batch(batch.id), BATCH_TTL_S)
            pipe.execute()

    def get(self, batch_id: str, submitted_by: str | None = None) -> Batch:
        """Return the batch with its progress; raises UnknownBatchError or UnreadableRecordError.

        With `submitted_by`, the batches of other callers are unknown.
        """
        stored: Any = self._redis.hgetall(keys.batch(batch_id)) if is_batch_id(batch_id) else {}
        fields = {decode_id(name): value for name, value in stored.items()}
        document = fields.pop("document", None)
        if document is None:
            raise UnknownBatchError(batch_id)
        try:
            # A newer version may count states that this one does not know.
            progress = {state: int(fields[state]) for state in State if state in fields}
            batch = parse_batch(document, progress)
        except ValueError:
            # pydantic's message would quote the record.
            error = UnreadableRecordError(batch_id, "it is damaged; its jobs can be listed")
            report_unreadable(self._redis, error)
            raise error from None
        if submitted_by not in (None, batch.submitted_by):
            raise UnknownBatchError(batch_id)
        return batch

    def list_jobs(
        self,
        batch_id: str,
        limit: int = 50,
        cursor: str | None = None,
        submitted_by: str | None = None,
    ) -> Page:
        """Return a batch's jobs, oldest first, from the one after `cursor` on.

        Raises UnknownBatchError as `get` does. Jobs whose retention has ended are left out.
        """
        with suppress(UnreadableRecordError):  # its jobs say themselves whose they are
            self.get(batch_id, submitted_by)
        low = f"({cursor}" if cursor else "-"
        found: Any = self._redis.zrange(
            keys.batch_jobs(batch_id), low, "+", bylex=True, offset=0, num=limit + 1
        )
        ids = decode_ids(found)
        # The cursor is that of the ids, because a job may be missing.
        jobs = [
            job for job in self._iter_jobs(ids[:limit]) if submitted_by in (None, job.submitted_by)
        ]
        return Page(jobs, ids[limit - 1] if len(ids) > limit else None)
