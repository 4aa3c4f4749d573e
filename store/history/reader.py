"""Jobs wherever they are: in Redis, and in the archive once they are finished for long.

A job is written to the archive before it is deleted from Redis, and stays there when it is brought
back. So whoever reads Redis first and the archive then finds every job; what Redis has is newer.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby, islice
from typing import Any

import redis

from ...jobs.filter import JobConditions
from ...jobs.ids import first_job_id
from ...jobs.job import Job, State
from .. import keys
from ..decoding import decode_ids
from ..listing import PAGE, Page, index_earlier_jobs, iter_jobs
from .job_archive import ArchiveOpener, JobArchive

# A page ends after this many jobs that do not match, and its cursor goes on from there.
MAX_MISMATCHES = 500
# To count a million rows takes most of a second, and within these seconds few are added.
SLOW_S = 0.1
REUSE_S = 15.0

Visited = tuple[str, Job | None]
"""The id of a job, and the job if it matches."""


class History:
    """Reads jobs from Redis and the archive as one; raises ArchiveUnavailableError."""

    def __init__(self, client: redis.Redis, images_url: str, open_archive: ArchiveOpener) -> None:
        self._redis = client
        self._images_url = images_url
        self.open_archive = open_archive
        self._is_indexed = False
        self._slow_counts: dict[object, tuple[float, Mapping[State, int]]] = {}

    def find_archived(self, job_ids: Sequence[str]) -> Mapping[str, bytes]:
        """Return the records of those of the jobs that are archived."""
        archive = self.open_archive()
        return archive.get_many(job_ids) if archive else {}

    def iter_jobs(self, job_ids: Iterable[str]) -> Iterator[Job]:
        """Yield those of the jobs that can be read, each decoded when it is asked for."""
        return iter_jobs(self._redis, self._images_url, job_ids, self.find_archived)

    def list_page(
        self,
        chosen: JobConditions,
        limit: int,
        cursor: str | None,
        since: datetime | None = None,
    ) -> Page:
        """Return matching jobs, newest first, from the one after `cursor` on.

        A page may have fewer than `limit` although there are more: then it has a cursor.
        """
        jobs: list[Job] = []
        visited = self.iter_matching(chosen, chosen.list_states(), since, cursor, limit + 1)
        for place, (job_id, job) in enumerate(visited, 1):
            if job and len(jobs) == limit:
                return Page(jobs, jobs[-1].id)
            if job:
                jobs.append(job)
            elif place >= MAX_MISMATCHES + len(jobs):
                return Page(jobs, job_id)
        return Page(jobs, None)

    def find_newer(self, chosen: JobConditions, job_id: str) -> Job | None:
        """Return the oldest matching job after this one, out of the PAGE that may match."""
        states = set(chosen.list_states())
        if chosen.caller is not None or chosen.provider is not None:
            self.index_earlier_jobs()
        with self._redis.pipeline(transaction=False) as pipe:
            for state in states:
                index = keys.index(state, chosen.caller, chosen.provider)
                pipe.zrange(index, f"({job_id}", "+", bylex=True, offset=0, num=PAGE)
            found: Any = pipe.execute()
        archive = self.open_archive()
        archived = archive.find(chosen, states, None, PAGE, above=job_id) if archive else {}
        ids = sorted({*archived, *(each for index in found for each in decode_ids(index))})[:PAGE]
        jobs = self._iter_known(ids, archived)
        return next((job for job in jobs if chosen.matches(job)), None)

    def iter_matching(
        self,
        chosen: JobConditions,
        states: Iterable[State],
        since: datetime | None,
        below: str | None = None,
        page: int = PAGE,
    ) -> Iterator[Visited]:
        """Yield the jobs that had to be looked at, each once, newest first, from below an id on."""
        states, page = set(states), min(page, PAGE)
        if chosen.caller is not None or chosen.provider is not None:
            self.index_earlier_jobs()
        while states:
            ids = self._list_ids(chosen, states, since, below, page)
            archive = self.open_archive()
            archived = archive.find(chosen, states, since, page, below) if archive else {}
            # As far as both have been read, or to the end.
            below = max(
                (found[-1] for found in (ids, [*archived]) if len(found) == page), default=""
            )
            merged = sorted({each for each in (*ids, *archived) if each >= below}, reverse=True)
            jobs = {job.id: job for job in self._iter_known(merged, archived)}
            for job_id in merged:
                job = jobs.get(job_id)
                yield job_id, job if job and job.state in states and chosen.matches(job) else None
            if not below:
                return
            page = PAGE

    def _iter_known(self, job_ids: Sequence[str], archived: Mapping[str, bytes]) -> Iterator[Job]:
        """Yield jobs, some of whose archived records are known."""

        def find(missing: Sequence[str]) -> Mapping[str, bytes]:
            others = [job_id for job_id in missing if job_id not in archived]
            return {**archived, **(self.find_archived(others) if others else {})}

        return iter_jobs(self._redis, self._images_url, job_ids, find)

    def _list_ids(
        self,
        chosen: JobConditions,
        states: Iterable[State],
        since: datetime | None,
        below: str | None,
        limit: int,
    ) -> list[str]:
        """Return the ids in Redis that may match, newest first."""
        indexes = [keys.index(each, chosen.caller, chosen.provider) for each in states]
        if chosen.batch is not None:
            indexes = [keys.batch_jobs(chosen.batch)]
        top = f"({min(filter(None, (below, _find_end(chosen))), default='')}"
        low = f"[{first_job_id(since)}" if since else "-"
        with self._redis.pipeline(transaction=False) as pipe:
            for index in indexes:
                pipe.zrange(
                    index,
                    "+" if top == "(" else top,
                    low,
                    desc=True,
                    bylex=True,
                    offset=0,
                    num=limit,
                )
            found: Any = pipe.execute()
        # A job that changes its state meanwhile can be in two of the indexes, or in a former one.
        merged = heapq.merge(*(decode_ids(each) for each in found), reverse=True)
        return list(islice((job_id for job_id, _ in groupby(merged)), limit))

    def index_earlier_jobs(self) -> None:
        """Index the jobs of earlier versions by caller and provider, once."""
        if not self._is_indexed:
            index_earlier_jobs(self._redis)
            self._is_indexed = True

    def count_by_state(
        self, chosen: JobConditions, since: datetime | None = None
    ) -> dict[State, int]:
        """Return how many jobs there are of a caller and a provider, by their states."""
        start = f"[{first_job_id(since)}" if since else "-"
        states = chosen.list_states()
        if chosen.caller is not None or chosen.provider is not None:
            self.index_earlier_jobs()
        with self._redis.pipeline(transaction=False) as pipe:
            for state in states:
                pipe.zlexcount(keys.index(state, chosen.caller, chosen.provider), start, "+")
            counts = Counter(dict(zip(states, pipe.execute(), strict=True)))
        if archive := self.open_archive():
            indexed = JobConditions.model_construct(
                state=chosen.state, caller=chosen.caller, provider=chosen.provider
            )
            counts.update(self._count_archived(archive, indexed, since))
        return {state: counts[state] for state in states}

    def _count_archived(
        self, archive: JobArchive, chosen: JobConditions, since: datetime | None
    ) -> Mapping[State, int]:
        """Return the counts of the archive; those that took long may be of a moment ago."""
        asked = (chosen.state, chosen.caller, chosen.provider, since)
        now = time.monotonic()
        self._slow_counts = {
            each: known for each, known in self._slow_counts.items() if now - known[0] < REUSE_S
        }
        if known := self._slow_counts.get(asked):
            return known[1]
        counts = archive.count_by_state(chosen, since)
        if time.monotonic() - now > SLOW_S:
            self._slow_counts[asked] = (now, counts)
        return counts


def _find_end(chosen: JobConditions) -> str | None:
    """Return an id that sorts after those of all matching jobs."""
    return first_job_id(chosen.until) if chosen.until else None
