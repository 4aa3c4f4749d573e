"""The jobs that a filter selects, read page by page."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from ...jobs.filter import JobFilter
from ...jobs.job import Job, State
from .. import keys
from ..jobs import Store
from .reader import Visited


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
    chosen = chosen.model_copy(update={"caller": caller})
    since = chosen.find_start(now)
    if chosen.batch is not None:
        store.batches.get(chosen.batch, submitted_by)
        total: Any = store.redis.zcard(keys.batch_jobs(chosen.batch))
        found = store.history.iter_matching(chosen, chosen.list_states(), since)
        return Selection(total, {}, _iter_jobs(found))
    read_states = [
        state for state in chosen.list_states() if state in states or chosen.reads_records
    ]
    found = store.history.iter_matching(chosen, read_states, since)
    counts = store.history.count_by_state(chosen, since)
    counted = {
        state: count for state, count in counts.items() if count and state not in read_states
    }
    return Selection(sum(counts.values()), counted, _iter_jobs(found))


def _iter_jobs(visited: Iterable[Visited]) -> Iterator[Job]:
    return (job for _, job in visited if job)
