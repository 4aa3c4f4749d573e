"""Where jobs are kept: the record is the truth, and one compare-and-set changes it."""

from __future__ import annotations

import functools
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

import redis
from redis.exceptions import RedisError

from ..config.queues import Queue
from ..config.redis import Durability, get_durability
from ..errors import (
    IdempotencyConflictError,
    InvalidTransitionError,
    NotDurableError,
    UnknownBatchError,
    UnknownJobError,
)
from ..jobs.batch import Batch, read_batch
from ..jobs.idempotency import IdempotencyKey
from ..jobs.job import FINISHED, QUEUE_OF, Job, State
from . import keys
from .codec import dump, load
from .compare_and_set import MAX_CHANGES, CompareAndSet
from .scripts import register_script

ONCE_KEPT_S = 86400
# Longer than a job lives that waits for days before it ends, and is kept for a month then.
BATCH_KEPT_S = 90 * 86400
# A transition gives up when the record changed under it this often in a row.
MAX_TRANSITION_TRIES = 50
PAGE = 200
WAITAOF_TIMEOUT_MS = 5000


class Page(NamedTuple):
    """Some jobs in order, and the cursor of the next page if there is one."""

    jobs: list[Job]
    cursor: str | None


Transition = Callable[[Job], Job]


class Store:
    """Jobs in Redis. Every live job has exactly one wake-up, in the due set of its state."""

    def __init__(self, client: redis.Redis) -> None:
        self.redis = client
        self._add = register_script(client, "add_jobs")
        self._compare_and_set = CompareAndSet(client)
        self._forget = register_script(client, "delete_expired")

    def add(
        self,
        jobs: Sequence[Job],
        once: Sequence[IdempotencyKey | None] = (),
        batch: Batch | None = None,
    ) -> list[str]:
        """Keep new jobs, all or none, and return their ids.

        A job with a `once` key that is known is not kept: the id is that of the job kept before.
        Raises IdempotencyConflictError if that was made of another request.
        """
        if not jobs:
            return []
        onces = once or [None] * len(jobs)
        batch_keys = [keys.batch(batch.id), keys.batch_jobs(batch.id)] if batch else ["", ""]
        job_keys: list[str] = []
        job_args: list[Any] = []
        for job, each in zip(jobs, onces, strict=True):
            key, digest = (keys.once(each.key), each.digest) if each else ("", "")
            job_keys += [
                keys.record(job.id),
                keys.index(job.state),
                keys.due(QUEUE_OF[job.state]),
                key,
            ]
            job_args += [
                job.id,
                dump(job),
                job.wake_at.timestamp(),
                digest,
                job.state,
                job.provider,
            ]
        ok, *found = self._add(
            keys=[keys.COUNTERS, keys.OPEN, keys.CHANGES, *batch_keys, *job_keys],
            args=[
                ONCE_KEPT_S,
                BATCH_KEPT_S,
                MAX_CHANGES,
                jobs[0].submitted_by,
                batch.dump() if batch else "",
                *job_args,
            ],
        )
        if not ok:
            raise IdempotencyConflictError([int(place) for place in found])
        return [_text(job_id) for job_id in found]

    def get(self, job_id: str) -> Job:
        """The job as it is now; raises UnknownJobError."""
        record = self.redis.get(keys.record(job_id))
        if record is None:
            raise UnknownJobError(job_id)
        return load(_bytes(record))

    def get_many(self, job_ids: Iterable[str]) -> Sequence[Job]:
        """Those of the jobs that are there, as they are now."""
        return tuple(self.each(job_ids))

    def each(self, job_ids: Iterable[str]) -> Iterator[Job]:
        """The same, each of them made of its record when it is asked for."""
        ids = iter(job_ids)
        while batch := list(islice(ids, PAGE)):
            records: Any = self.redis.mget([keys.record(job_id) for job_id in batch])
            yield from (load(record) for record in records if record is not None)

    def transition(self, job: Job, step: Transition, *, durable: bool = False) -> Job:
        """Apply `step` to the job, all or nothing, and return what it became.

        `job` is the job as it was just read. `step` is a pure function: if the record has changed
        since, the job is read again and `step` runs again. It raises InvalidTransitionError if it
        no longer applies. A durable transition returns once it is on Redis's disk, as far as the
        server can confirm it; raises NotDurableError otherwise, and UnknownJobError if the job is gone.
        """
        before = job
        for _ in range(MAX_TRANSITION_TRIES):
            after = step(before)
            if after is before or self._write(before, after, durable=durable):
                return after
            before = self.get(before.id)
        raise InvalidTransitionError(f"{before.id} changes too often to be changed")

    def transition_many(
        self, transitions: Iterable[tuple[Job, Transition]]
    ) -> list[Job | Exception]:
        """Apply a step to each of several jobs, sent to Redis in one pipeline.

        Each job is changed on its own, as `transition` does it. Returns what each job became, or
        the exception that its step raised.
        """
        transitions = list(transitions)
        outcomes: list[Job | Exception] = []
        sent: list[int] = []
        with self.redis.pipeline(transaction=False) as pipe:
            for place, (job, step) in enumerate(transitions):
                try:
                    outcomes.append(after := step(job))
                except Exception as error:
                    outcomes.append(error)
                    continue
                if after is not job:
                    self._compare_and_set(job, after, client=pipe)
                    sent.append(place)
            written = pipe.execute()
        for place, is_written in zip(sent, written, strict=True):
            if not is_written:
                outcomes[place] = self._transition_again(*transitions[place])
        return outcomes

    def _transition_again(self, job: Job, step: Transition) -> Job | Exception:
        """Apply a step to a job that has changed since it was read."""
        try:
            return self.transition(self.get(job.id), step)
        except RedisError:
            raise
        except Exception as error:
            return error

    def _write(self, before: Job, after: Job, *, durable: bool) -> bool:
        if not durable or self._durability is not Durability.WAITAOF:
            return bool(self._compare_and_set(before, after))
        # One pipeline, because WAITAOF covers the writes of its own connection only.
        with self.redis.pipeline(transaction=False) as pipe:
            self._compare_and_set(before, after, client=pipe)
            pipe.waitaof(1, 0, WAITAOF_TIMEOUT_MS)
            written, (flushed, _) = pipe.execute()
        if written and not flushed:
            raise NotDurableError(f"{before.id}: Redis did not flush its file in time")
        return bool(written)

    def wake_at(self, queue: Queue, job_id: str, until: datetime) -> None:
        """Move a wake-up without a move of the job; one that is gone stays gone."""
        self.redis.zadd(keys.due(queue), {job_id: until.timestamp()}, xx=True)

    def wake_no_later_than(self, queue: Queue, job_id: str, until: datetime) -> None:
        """Move a wake-up forward, never back; one that is gone stays gone."""
        self.redis.zadd(keys.due(queue), {job_id: until.timestamp()}, xx=True, lt=True)

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        with self.redis.pipeline(transaction=False) as pipe:
            for state in State:
                pipe.zcard(keys.index(state))
            return dict(zip(State, pipe.execute(), strict=True))

    def list(
        self,
        state: State | None = None,
        provider: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Jobs, newest first, from the one after `cursor` on."""
        states = [state] if state else list(State)
        ids = heapq.merge(*(self._ids(each, cursor) for each in states), reverse=True)
        found = (job for job in self.each(ids) if provider in (None, job.provider))
        jobs = list(islice(found, limit + 1))
        return Page(jobs[:limit], jobs[limit - 1].id if len(jobs) > limit else None)

    def known(self, once: IdempotencyKey) -> str | None:
        """The job that was made under a key; raises IdempotencyConflictError as `add` does."""
        kept = self.redis.get(keys.once(once.key))
        if kept is None:
            return None
        job_id, _, digest = _text(kept).partition(" ")
        if digest != once.digest:
            raise IdempotencyConflictError([0])
        return job_id

    def keep_batch(self, batch: Batch) -> None:
        """Keep a batch that no new job came with."""
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.batch(batch.id), "document", batch.dump())
            pipe.expire(keys.batch(batch.id), BATCH_KEPT_S)
            pipe.execute()

    def batch(self, batch_id: str) -> Batch:
        """The batch and how far it is; raises UnknownBatchError."""
        kept: Any = self.redis.hgetall(keys.batch(batch_id))
        fields = {_text(name): value for name, value in kept.items()}
        document = fields.pop("document", None)
        if document is None:
            raise UnknownBatchError(batch_id)
        return read_batch(document, {State(name): int(count) for name, count in fields.items()})

    def batch_jobs(self, batch_id: str, limit: int = 50, cursor: str | None = None) -> Page:
        """A batch's jobs, oldest first, from the one after `cursor` on; raises UnknownBatchError."""
        if not self.redis.hexists(keys.batch(batch_id), "document"):
            raise UnknownBatchError(batch_id)
        low = f"({cursor}" if cursor else "-"
        found: Any = self.redis.zrange(
            keys.batch_jobs(batch_id), low, "+", bylex=True, offset=0, num=limit + 1
        )
        ids = [_text(job_id) for job_id in found]
        # By their ids, because a job whose retention is over is no longer there.
        return Page(list(self.each(ids[:limit])), ids[limit - 1] if len(ids) > limit else None)

    def _ids(self, state: State, below: str | None) -> Iterator[str]:
        while True:
            top = f"({below}" if below else "+"
            index = keys.index(state)
            page: Any = self.redis.zrange(
                index, top, "-", desc=True, bylex=True, offset=0, num=PAGE
            )
            for job_id in page:
                yield (below := _text(job_id))
            if len(page) < PAGE:
                return

    def delete_expired(self, now: datetime, most: int = PAGE) -> int:
        """Remove ended jobs whose retention is over; returns how many."""
        ids: Any = self.redis.zrange(
            keys.RETENTION, "-inf", now.timestamp(), byscore=True, offset=0, num=most
        )
        indexes = [keys.index(state) for state in FINISHED]
        return sum(
            self._forget(
                keys=[
                    keys.record(job_id),
                    keys.RETENTION,
                    keys.callbacks(job_id),
                    keys.COUNTERS,
                    *indexes,
                ],
                args=[job_id, now.timestamp()],
            )
            for job_id in map(_text, ids)
        )

    @functools.cached_property
    def _durability(self) -> Durability:
        return get_durability(self.redis)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
