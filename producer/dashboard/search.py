"""Find the jobs of one page, newest first, reading a bounded number of records."""

from __future__ import annotations

from typing import NamedTuple

from ...jobs.job import Job, State
from ..client import LocalClient
from .filters import Filters

SHOWN = 48
STEP = 200
# Words are not indexed: a search reads this many jobs, then asks whether to continue.
MAX_READ = 5000


class Found(NamedTuple):
    """The jobs of a page, the cursor of the next, and whether the search stopped early."""

    jobs: list[Job]
    cursor: str | None
    stopped_early: bool = False


def find_jobs(
    client: LocalClient,
    filters: Filters,
    cursor: str | None = None,
    submitted_by: str | None = None,
) -> Found:
    """Return the newest matching jobs after `cursor`, out of the first MAX_READ there.

    With `submitted_by`, only that caller's jobs.
    """
    state = State(filters.state) if filters.state else None
    step = STEP if filters.q else SHOWN + 1
    found: list[Job] = []
    for _ in range(0, MAX_READ, step):
        page = client.list(
            state=state,
            provider=filters.provider or None,
            limit=step,
            cursor=cursor,
            submitted_by=submitted_by,
        )
        for job in filter(filters.matches, page.jobs):
            if len(found) == SHOWN:
                return Found(found, found[-1].id)
            found.append(job)
        cursor = page.cursor
        if cursor is None:
            return Found(found, None)
    return Found(found, cursor, stopped_early=True)
