"""The store of jobs: the record is the truth, and one compare-and-set changes it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import redis
from redis.exceptions import RedisError

from ..config.durability import DurabilityPolicy
from ..errors import (
    IdempotencyConflictError,
    InvalidTransitionError,
    NotFoundError,
    UnreadableJobError,
    UnreadableRecordError,
)
from ..jobs.batch import Batch
from ..jobs.filter import JobConditions
from ..jobs.idempotency import IdempotencyKey
from ..jobs.ids import is_batch_id, is_job_id
from ..jobs.job import QUEUE_OF, Job, State
from . import keys, listing
from .batches import BATCH_TTL_S, Batches, build_batch_input
from .codec import dump, load_visible, reading
from .compare_and_set import MAX_CHANGES, CompareAndSet
from .decoding import decode_ids
from .deletion import Deletion
from .durable_writes import DurableWrites
from .history.archiving import restore_job
from .history.job_archive import ArchiveOpener, no_archive
from .history.reader import History
from .scripts import register_script
from .submit.places import dump_place, estimate_usd
from .trace import trace_accepted, trace_transition

IDEMPOTENCY_KEY_TTL_S = 86400
# A transition gives up when the record changed under it this often in a row.
MAX_TRANSITION_TRIES = 50

Transition = Callable[[Job], Job]


class Store:
    """Jobs in Redis. Every live job has exactly one wake-up, in the due set of its state.

    Finished jobs may be in the archive: they are read there, and brought back to be changed.

    Their images are shown where the storage at `images_url` has them; without it, by their names.
    """

    def __init__(
        self,
        client: redis.Redis,
        images_url: str = "",
        durability: DurabilityPolicy = "disk",
        open_archive: ArchiveOpener = no_archive,
    ) -> None:
        self.redis = client
        self._durable_writes = DurableWrites(client, durability)
        self._images_url = images_url
        self.history = History(client, images_url, open_archive)
        self.batches = Batches(client, self.history.iter_jobs)
        self._add = register_script(client, "add_jobs")
        self._compare_and_set = CompareAndSet(client)
        self.deletion = Deletion(client)

    def add(
        self,
        jobs: Sequence[Job],
        idempotency_keys: Sequence[IdempotencyKey | None] = (),
        batch: Batch | None = None,
    ) -> list[str]:
        """Store new jobs, all or none, and return their ids.

        A job whose idempotency key is known is not stored: its id is that of the original job.
        Raises IdempotencyConflictError if the original request was a different one.
        """
        if not jobs:
            return []
        batch_keys, batch_args = build_batch_input(batch)
        job_keys: list[str] = []
        job_args: list[Any] = []
        for job, given in zip(jobs, idempotency_keys or [None] * len(jobs), strict=True):
            key, digest = (keys.idempotency_key(given.key), given.digest) if given else ("", "")
            due = keys.due(QUEUE_OF[job.state])
            indexes = keys.indexes(job.state, job.submitted_by, job.provider)
            job_keys += [keys.record(job.id), due, key, *indexes]
            job_args += [
                job.id,
                dump(job),
                job.wake_at.timestamp(),
                digest,
                job.state,
                job.provider,
                dump_place(job),
                "" if (micro_usd := estimate_usd(job)) is None else micro_usd,
            ]
        add = functools.partial(
            self._add,
            keys=[keys.COUNTERS, keys.OPEN_JOBS, keys.CHANGES, keys.PLACES, *batch_keys, *job_keys],
            args=[
                IDEMPOTENCY_KEY_TTL_S,
                BATCH_TTL_S,
                MAX_CHANGES,
                jobs[0].submitted_by,
                *batch_args,
                *job_args,
            ],
        )
        is_added, *answer = self._durable_writes.run(add, is_intent=False)
        if not is_added:
            raise IdempotencyConflictError([int(index) for index in answer])
        added = decode_ids(answer)
        for job, job_id in zip(jobs, added, strict=True):
            if job.id == job_id:
                trace_accepted(job)
        return added

    def get(self, job_id: str, submitted_by: str | None = None) -> Job:
        """Return the job as it is now; raises UnknownJobError or UnreadableJobError.

        With `submitted_by`, the jobs of other callers are unknown.
        """
        record: Any = None
        try:
            if is_job_id(job_id):
                with reading(job_id):
                    record = self.redis.get(keys.record(job_id))
                if record is None:
                    record = self.history.find_archived([job_id]).get(job_id)
            return load_visible(job_id, record, submitted_by, self._images_url)
        except UnreadableJobError as error:
            listing.report_unreadable(self.redis, error)
            raise

    def list_unreadable(self) -> dict[str, str]:
        """Return the ids of jobs and batches that still cannot be read, and why."""
        known: Any = self.redis.hkeys(keys.UNREADABLE)
        unreadable: dict[str, str] = {}
        for each in decode_ids(known):
            try:
                self.batches.get(each) if is_batch_id(each) else self.get(each)
            except UnreadableRecordError as error:
                unreadable[each] = error.why
                continue
            except NotFoundError:
                pass
            self.redis.hdel(keys.UNREADABLE, each)
        return unreadable

    def get_many(self, job_ids: Iterable[str]) -> Sequence[Job]:
        """Return those of the jobs that exist and can be read, in the given order."""
        return tuple(self.iter_jobs(job_ids))

    def iter_jobs(self, job_ids: Iterable[str]) -> Iterator[Job]:
        """Yield those of the jobs that can be read, each decoded when it is asked for."""
        return self.history.iter_jobs(job_ids)

    def count_by_state(self, submitted_by: str | None = None) -> dict[State, int]:
        """Return how many jobs, or how many of a caller's, are in each state."""
        if submitted_by is not None:
            self.history.index_earlier_jobs()
        with self.redis.pipeline(transaction=False) as pipe:
            for state in State:
                pipe.zcard(keys.index(state, submitted_by))
            return dict(zip(State, pipe.execute(), strict=True))

    def transition(self, job: Job, step: Transition, *, durable: bool = False) -> Job:
        """Apply `step` to the job, all or nothing, and return what it became.

        `job` is the job as it was just read. `step` is a pure function: if the record has changed
        since, the job is read again and `step` runs again. It raises InvalidTransitionError if it
        no longer applies. A durable transition returns once it is on Redis's disk, as far as the
        server can confirm it. Raises NotDurableError otherwise, UnknownJobError if the job is gone.
        """
        before = job
        for _ in range(MAX_TRANSITION_TRIES):
            after = step(before)
            if after is before:
                return after
            if self._write(before, after, durable=durable):
                trace_transition(self.redis, after)
                return after
            before = self._read_again(before.id)
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
            outcome = outcomes[place]
            if not is_written:
                outcomes[place] = self._transition_again(*transitions[place])
            elif isinstance(outcome, Job):
                trace_transition(self.redis, outcome)
        return outcomes

    def _transition_again(self, job: Job, step: Transition) -> Job | Exception:
        """Apply a step to a job that has changed since it was read."""
        try:
            return self.transition(self._read_again(job.id), step)
        except RedisError:
            raise
        except Exception as error:
            return error

    def _read_again(self, job_id: str) -> Job:
        """Return a job that has changed since it was read; if it is archived, bring it back."""
        archive = None if self.redis.exists(keys.record(job_id)) else self.history.open_archive()
        if archive:
            restore_job(self.redis, archive, job_id)
        return self.get(job_id)

    def _write(self, before: Job, after: Job, *, durable: bool) -> bool:
        write = functools.partial(self._compare_and_set, before, after)
        return bool(self._durable_writes.run(write, is_intent=True) if durable else write())

    def list(
        self,
        state: State | None = None,
        provider: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        submitted_by: str | None = None,
    ) -> listing.Page:
        """Return jobs, newest first, from the one after `cursor` on; all, or those of a caller."""
        chosen = JobConditions.model_construct(state=state, provider=provider, caller=submitted_by)
        return self.history.list_page(chosen, limit, cursor)
