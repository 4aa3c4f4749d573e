"""Find the jobs of one page, newest first, reading a bounded number of records."""

from __future__ import annotations

from typing import NamedTuple

from ...jobs.job import Job
from ...store.history.reader import MAX_MISMATCHES
from ..client import LocalClient
from .filters import Filters

SHOWN = 48
# Redis does not index words: a search reads this many jobs, then asks whether to continue.
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
    chosen = filters.to_conditions()
    found: list[Job] = []
    for _ in range(MAX_READ // MAX_MISMATCHES):
        page = client.list(
            chosen=chosen, limit=SHOWN - len(found), cursor=cursor, submitted_by=submitted_by
        )
        found += page.jobs
        cursor = page.cursor
        if cursor is None or len(found) == SHOWN:
            return Found(found, cursor)
    return Found(found, cursor, stopped_early=True)
