"""Batches: what was submitted together, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import redis

from ..errors import NotFoundError, UnknownBatchError, UnreadableRecordError
from ..jobs.batch import Batch, ListedBatch, parse_batch
from ..jobs.cost import MICRO
from ..jobs.ids import first_job_id, is_batch_id
from ..jobs.job import Job, State
from . import keys
from .decoding import decode_id, decode_ids, decode_numbers
from .listing import Page, report_unreadable
from .money import keys as money_keys

# Longer than a job can wait for its end and its record is retained afterwards.
BATCH_TTL_S = 90 * 86400


class BatchSummary(NamedTuple):
    """A batch, and what it costs in dollars."""

    batch: Batch
    spent_usd: float
    estimated_usd: float | None
    """What all of its jobs are expected to cost; None for a batch of an earlier version."""
    unpriced: int
    """How many jobs have a price that is not known."""

    def to_batch(self) -> ListedBatch:
        """Return the same as one record."""
        costs = {name: each for name, each in self._asdict().items() if name != "batch"}
        return ListedBatch(**dict(self.batch), **costs)


class BatchPage(NamedTuple):
    """Batches, newest first, and the cursor of the next page if there is one."""

    batches: list[BatchSummary]
    cursor: str | None


def build_batch_input(batch: Batch | None) -> tuple[list[str], list[str]]:
    """Return the keys and the arguments of a batch for `add_jobs`; all empty for None."""
    if batch is None:
        return [""] * 4, [""] * 3
    names = [keys.batch(batch.id), keys.batch_jobs(batch.id)]
    names += [keys.batches(), keys.batches(batch.submitted_by)]
    return names, [batch.dump(), batch.id, _find_oldest(batch.created_at)]


def _find_oldest(now: datetime) -> str:
    """Return an id below which the records of batches have ended."""
    return first_job_id(now - timedelta(seconds=BATCH_TTL_S)).replace("job_", "batch_")


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
            for index in (keys.batches(), keys.batches(batch.submitted_by)):
                pipe.zadd(index, {batch.id: 0})
            pipe.execute()

    def get(self, batch_id: str, submitted_by: str | None = None) -> Batch:
        """Return the batch with its progress; raises UnknownBatchError or UnreadableRecordError.

        With `submitted_by`, the batches of other callers are unknown.
        """
        stored: Any = self._redis.hgetall(keys.batch(batch_id)) if is_batch_id(batch_id) else {}
        try:
            return _parse(batch_id, stored, submitted_by)
        except UnreadableRecordError as error:
            report_unreadable(self._redis, error)
            raise

    def summarize(self, batch_id: str, submitted_by: str | None = None) -> BatchSummary:
        """Return the batch with what it costs; raises as `get` does."""
        self.get(batch_id, submitted_by)
        (summary,) = self._summarize_each([batch_id])
        return summary

    def list_page(
        self, limit: int, cursor: str | None = None, submitted_by: str | None = None
    ) -> BatchPage:
        """Return the batches of all callers, or of one, from the one after `cursor` on.

        A page may have fewer than `limit` although it has a cursor: the others have expired.
        """
        self._index_earlier_batches()
        top = f"({cursor}" if cursor else "+"
        found: Any = self._redis.zrange(
            keys.batches(submitted_by), top, "-", desc=True, bylex=True, offset=0, num=limit + 1
        )
        ids = decode_ids(found)
        return BatchPage(
            self._summarize_each(ids[:limit]), ids[limit - 1] if len(ids) > limit else None
        )

    def _summarize_each(self, ids: list[str]) -> list[BatchSummary]:
        """Return those of the batches that can be read, in one round trip."""
        with self._redis.pipeline(transaction=False) as pipe:
            for batch_id in ids:
                pipe.hgetall(keys.batch(batch_id))
                pipe.hgetall(money_keys.costs_of_batch(batch_id))
            answers = pipe.execute()
        summaries = []
        for batch_id, stored, costs in zip(ids, answers[::2], answers[1::2], strict=True):
            with suppress(UnknownBatchError, UnreadableRecordError):
                batch = _parse(batch_id, stored)
                numbers, spent = decode_numbers(stored), decode_numbers(costs).get("usd", 0)
                estimate = numbers.get("estimated_micro_usd")
                unpriced = numbers.get("unpriced", 0)
                expected = 0 if estimate is None and unpriced else estimate
                usd = None if expected is None else expected / MICRO
                summaries.append(BatchSummary(batch, spent / MICRO, usd, unpriced))
        return summaries

    def _index_earlier_batches(self) -> None:
        """Index the batches of earlier versions, once; for a million keys it takes a second."""
        if self._redis.exists(keys.BATCHES_INDEXED):
            return
        pattern = keys.batch("batch_*")
        for name in self._redis.scan_iter(pattern, count=1000, _type="hash"):
            with suppress(NotFoundError, UnreadableRecordError):
                batch = self.get(decode_id(name).rpartition(":")[2])
                self._redis.zadd(keys.batches(), {batch.id: 0})
                self._redis.zadd(keys.batches(batch.submitted_by), {batch.id: 0})
        self._redis.set(keys.BATCHES_INDEXED, 1)

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


def _parse(batch_id: str, stored: Mapping[bytes, bytes], submitted_by: str | None = None) -> Batch:
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
        why = "it is damaged; its jobs can be listed"
        raise UnreadableRecordError(batch_id, why) from None
    if submitted_by not in (None, batch.submitted_by):
        raise UnknownBatchError(batch_id)
    return batch
