"""Wait for jobs by polling the store, less often for more jobs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from ..errors import UnreadableJobError
from ..jobs.job import Job
from ..store.jobs import Store

FIRST_PAUSE_S = 0.05
MAX_PAUSE_S = 1.0
# Each poll reads every remaining job: a thousand jobs make the pause a second longer.
EXTRA_PAUSE_PER_JOB_S = 0.001
MAX_PER_READ = 500


def iter_completed(
    store: Store, job_ids: Iterable[str], timeout_s: float | None = None
) -> Iterator[Job]:
    """Yield jobs as they finish; raises TimeoutError, or UnknownJobError for a missing one.

    Raises UnreadableJobError after all others have finished, if a record cannot be read.
    """
    unreadable: list[UnreadableJobError] = []
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    remaining = list(dict.fromkeys(job_ids))
    pause_s = FIRST_PAUSE_S
    while True:
        unfinished: list[Job] = []
        for job in _read_jobs(store, remaining, unreadable):
            if job.is_finished:
                yield job
            else:
                unfinished.append(job)
        if not unfinished and unreadable:
            raise unreadable[0]
        if not unfinished:
            return
        if deadline is not None and time.monotonic() + pause_s > deadline:
            raise TimeoutError(f"{_describe(unfinished)} after {timeout_s:g} s")
        # Finished jobs make the next poll cheaper; they do not bring it forward.
        time.sleep(pause_s)
        remaining = [job.id for job in unfinished]
        pause_s = min(MAX_PAUSE_S + len(remaining) * EXTRA_PAUSE_PER_JOB_S, pause_s * 1.5)


def _read_jobs(
    store: Store, job_ids: Sequence[str], unreadable: list[UnreadableJobError]
) -> Iterator[Job]:
    """Yield the jobs, and add an error to `unreadable` for each that cannot be read."""
    ids = iter(job_ids)
    while chunk := list(islice(ids, MAX_PER_READ)):
        found = store.get_many(chunk)
        for missing in sorted(set(chunk) - {job.id for job in found}):
            try:
                # One that was restored between the two reads is there by now.
                yield store.get(missing)
            except UnreadableJobError as error:
                unreadable.append(error)
        yield from found


def _describe(unfinished: Sequence[Job]) -> str:
    first = unfinished[0]
    more = f", and {len(unfinished) - 1} more are not finished" if len(unfinished) > 1 else ""
    return f"{first.id} is {first.state}{more}"
