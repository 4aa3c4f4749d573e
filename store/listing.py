"""Jobs read from their records, by ids; and the ids of an index, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
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


FindRecords = Callable[[Sequence[str]], Mapping[str, bytes]]
"""Returns the records of those of several jobs that are archived."""


def find_none(job_ids: Sequence[str]) -> Mapping[str, bytes]:
    """Return no record: nothing is archived."""
    return {}


def iter_jobs(
    client: redis.Redis,
    images_url: str,
    job_ids: Iterable[str],
    find_archived: FindRecords = find_none,
) -> Iterator[Job]:
    """Yield those of the jobs that can be read, each decoded when it is asked for.

    `images_url` is that of the storage; any text will do where nobody looks at the images.
    """
    ids = filter(is_job_id, job_ids)
    while page := list(islice(ids, PAGE)):
        records: Any = client.mget([keys.record(job_id) for job_id in page])
        missing = [job_id for job_id, each in zip(page, records, strict=True) if each is None]
        archived = find_archived(missing) if missing else {}
        for job_id, found in zip(page, records, strict=True):
            record = archived.get(job_id) if found is None else found
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
