"""The jobs that a filter selects, read page by page."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import takewhile
from typing import Any, NamedTuple

import redis

from ..jobs.filter import JobFilter
from ..jobs.ids import first_job_id
from ..jobs.job import Job, State
from . import keys
from .jobs import Store
from .listing import iter_ids


class Selection(NamedTuple):
    """Some of the selected jobs, and how many there are."""

    total: int
    """How many jobs there are to look at; fewer may match."""
    counted: dict[State, int]
    """How many matching jobs are in the states that are only counted."""
    jobs: Iterator[Job]
    """The other jobs, each once, newest first, read when they are asked for."""


def select_jobs(
    store: Store,
    chosen: JobFilter,
    states: Collection[State],
    submitted_by: str | None,
    now: datetime,
) -> Selection:
    """Select jobs; those in other states than `states` are counted, where an index does it.

    With `submitted_by`, only that caller's jobs. Raises UnknownBatchError.
    """
    caller = submitted_by if chosen.caller is None else chosen.caller
    if submitted_by not in (None, caller):
        return Selection(0, {}, iter(()))
    since = chosen.find_start(now)
    if chosen.batch is not None:
        store.batches.get(chosen.batch, submitted_by)
        index = keys.batch_jobs(chosen.batch)
        total: Any = store.redis.zcard(index)
        found = _iter_since(store.iter_jobs(iter_ids(store.redis, index)), since)
        return Selection(total, {}, filter(chosen.matches, found))
    read_states = [
        state for state in chosen.list_states() if state in states or chosen.reads_records
    ]
    found = _iter_since(store.iter_listed(read_states, chosen.provider, caller), since)
    counts = _count_jobs(store.redis, chosen, caller, since)
    counted = {
        state: count for state, count in counts.items() if count and state not in read_states
    }
    return Selection(sum(counts.values()), counted, filter(chosen.matches, found))


def _count_jobs(
    client: redis.Redis, chosen: JobFilter, caller: str | None, since: datetime | None
) -> dict[State, int]:
    """Return how many jobs are in each state that the filter selects, whatever their reason."""
    states = chosen.list_states()
    start = f"[{first_job_id(since)}" if since else "-"
    with client.pipeline(transaction=False) as pipe:
        for state in states:
            pipe.zlexcount(keys.index(state, caller, chosen.provider), start, "+")
        return dict(zip(states, pipe.execute(), strict=True))


def _iter_since(jobs: Iterator[Job], since: datetime | None) -> Iterator[Job]:
    """Yield jobs, newest first, until one was created before `since`."""
    return takewhile(lambda job: since is None or job.created_at >= since, jobs)
