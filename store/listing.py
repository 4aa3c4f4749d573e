"""Jobs read from their records: by ids, and page by page from the index of each state."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import redis

from ..jobs.job import Job, State
from . import keys
from .codec import load

PAGE = 200


class Page(NamedTuple):
    """Jobs in order, and the cursor of the next page if there is one."""

    jobs: list[Job]
    cursor: str | None


def iter_jobs(client: redis.Redis, job_ids: Iterable[str]) -> Iterator[Job]:
    """Yield those of the jobs that exist, each decoded when it is asked for."""
    ids = iter(job_ids)
    while page := list(islice(ids, PAGE)):
        records: Any = client.mget([keys.record(job_id) for job_id in page])
        yield from (load(record) for record in records if record is not None)


def list_jobs(
    client: redis.Redis,
    state: State | None,
    provider: str | None,
    limit: int,
    cursor: str | None,
) -> Page:
    """Return jobs, newest first, from the one after `cursor` on."""
    states = [state] if state else list(State)
    ids = heapq.merge(*(_iter_ids(client, each, cursor) for each in states), reverse=True)
    matching = (job for job in iter_jobs(client, ids) if provider in (None, job.provider))
    jobs = list(islice(matching, limit + 1))
    return Page(jobs[:limit], jobs[limit - 1].id if len(jobs) > limit else None)


def _iter_ids(client: redis.Redis, state: State, below: str | None) -> Iterator[str]:
    """Yield the ids of the jobs in a state, newest first, from the one below `below` on."""
    while True:
        top = f"({below}" if below else "+"
        page: Any = client.zrange(
            keys.index(state), top, "-", desc=True, bylex=True, offset=0, num=PAGE
        )
        for job_id in page:
            below = job_id.decode()
            yield below
        if len(page) < PAGE:
            return
