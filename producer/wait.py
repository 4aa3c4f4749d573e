"""Waiting for jobs, by asking the store: seldom where they are many."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from ..errors import UnknownJobError
from ..jobs.job import Job
from ..store.jobs import Store

FIRST_LOOK_S = 0.05
LATER_LOOKS_S = 1.0
# Each look reads every job that is left: a thousand of them make the pause a second longer.
LONGER_FOR_EACH_S = 0.001
AT_ONCE = 500


def iter_completed(
    store: Store, job_ids: Iterable[str], timeout_s: float | None = None
) -> Iterator[Job]:
    """Jobs as they come to rest; raises TimeoutError, or UnknownJobError for one that is gone."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    left = list(dict.fromkeys(job_ids))
    pause_s = FIRST_LOOK_S
    while True:
        under_way: list[Job] = []
        for job in _look(store, left):
            if job.is_finished:
                yield job
            else:
                under_way.append(job)
        if not under_way:
            return
        if deadline is not None and time.monotonic() + pause_s > deadline:
            raise TimeoutError(f"{_words(under_way)} after {timeout_s:g} s")
        # What has ended shortens the next look, and does not make it come sooner.
        time.sleep(pause_s)
        left = [job.id for job in under_way]
        pause_s = min(LATER_LOOKS_S + len(left) * LONGER_FOR_EACH_S, pause_s * 1.5)


def _look(store: Store, job_ids: Sequence[str]) -> Iterator[Job]:
    ids = iter(job_ids)
    while some := list(islice(ids, AT_ONCE)):
        found = store.get_many(some)
        if missing := set(some) - {job.id for job in found}:
            raise UnknownJobError(min(missing))
        yield from found


def _words(under_way: Sequence[Job]) -> str:
    first = under_way[0]
    more = f", and {len(under_way) - 1} more have not ended" if len(under_way) > 1 else ""
    return f"{first.id} is {first.state}{more}"
