"""Jobs read from their records: by ids, and page by page from the index of each state."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Any, NamedTuple

import redis

from ..errors import UnreadableJobError, UnreadableRecordError
from ..jobs.ids import is_job_id
from ..jobs.job import Job, State
from . import keys
from .codec import load
from .decoding import decode_id
from .scripts import register_script

PAGE = 200


class Page(NamedTuple):
    """Jobs in order, and the cursor of the next page if there is one."""

    jobs: list[Job]
    cursor: str | None


def iter_jobs(client: redis.Redis, images_url: str, job_ids: Iterable[str]) -> Iterator[Job]:
    """Yield those of the jobs that can be read, each decoded when it is asked for.

    `images_url` is that of the storage; any text will do where nobody looks at the images.
    """
    ids = filter(is_job_id, job_ids)
    while page := list(islice(ids, PAGE)):
        records: Any = client.mget([keys.record(job_id) for job_id in page])
        for job_id, record in zip(page, records, strict=True):
            if record is None:
                continue
            try:
                job = load(job_id, record, images_url)
            except UnreadableJobError as error:
                report_unreadable(client, error)
            else:
                yield job


def report_unreadable(client: redis.Redis, error: UnreadableRecordError) -> None:
    """List a record as unreadable, for `doctor` and the metrics; it stays as it is."""
    client.hset(keys.UNREADABLE, error.record_id, error.why)


def list_jobs(
    client: redis.Redis,
    images_url: str,
    state: State | None,
    provider: str | None,
    limit: int,
    cursor: str | None,
    submitted_by: str | None = None,
) -> Page:
    """Return jobs, newest first, from the one after `cursor` on; all, or those of a caller."""
    states = [state] if state else State
    jobs = list(
        islice(iter_listed(client, images_url, states, provider, submitted_by, cursor), limit + 1)
    )
    return Page(jobs[:limit], jobs[limit - 1].id if len(jobs) > limit else None)


def iter_listed(
    client: redis.Redis,
    images_url: str,
    states: Iterable[State],
    provider: str | None,
    submitted_by: str | None,
    cursor: str | None = None,
) -> Iterator[Job]:
    """Yield jobs in these states, each once, newest first, from the one after `cursor` on."""
    states = list(states)
    indexes = [keys.index(each, submitted_by, provider) for each in states]
    merged = heapq.merge(*(iter_ids(client, each, cursor) for each in indexes), reverse=True)
    # A job that changes its state meanwhile can be in two of the indexes, or in a former one.
    ids = (job_id for job_id, _ in groupby(merged))
    for job in iter_jobs(client, images_url, ids):
        if provider in (None, job.provider) and job.state in states:
            yield job


def index_earlier_jobs(client: redis.Redis) -> None:
    """Index the jobs that an earlier version stored by caller and provider; done once.

    Called by the first listing that needs it, which takes some seconds for 100,000 jobs. Other
    processes may do the same meanwhile, and change or delete the jobs.
    """
    if client.exists(keys.INDEXED):
        return
    index_job = register_script(client, "index_job")
    for state in State:
        jobs = iter_jobs(client, "", iter_ids(client, keys.index(state)))
        while page := list(islice(jobs, PAGE)):
            with client.pipeline(transaction=False) as pipe:
                for job in page:
                    indexes = keys.indexes(job.state, job.submitted_by, job.provider)
                    index_job(keys=indexes, args=[job.id], client=pipe)
                pipe.execute()
    client.set(keys.INDEXED, 1)


def iter_ids(client: redis.Redis, index: str, below: str | None = None) -> Iterator[str]:
    """Yield the ids in an index, newest first, from the one below `below` on."""
    last = below.encode() if below else b""
    while True:
        top: Any = b"(" + last if last else "+"
        page: Any = client.zrange(index, top, "-", desc=True, bylex=True, offset=0, num=PAGE)
        for last in page:
            yield decode_id(last)
        if len(page) < PAGE:
            return
