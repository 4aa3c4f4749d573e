"""Jobs for one page, newest first, from as many records as a page is worth."""

from __future__ import annotations

from typing import NamedTuple

from ...jobs.job import Job, State
from ..client import Client
from .filters import Filters

SHOWN = 48
STEP = 200
# Words are in no index. So far a search reads; then the person says whether to go on.
MAX_READ = 5000


class Found(NamedTuple):
    """The jobs of a page, the cursor of the next, and whether the search broke off there."""

    jobs: list[Job]
    cursor: str | None
    broke_off: bool = False


def find(client: Client, filters: Filters, cursor: str | None = None) -> Found:
    """The newest jobs below `cursor` that fit, of the first MAX_READ there."""
    state = State(filters.state) if filters.state else None
    step = STEP if filters.reads_records else SHOWN + 1
    found: list[Job] = []
    for _ in range(0, MAX_READ, step):
        page = client.list(state=state, limit=step, cursor=cursor)
        for job in filter(filters.fit, page.jobs):
            if len(found) == SHOWN:
                return Found(found, found[-1].id)
            found.append(job)
        cursor = page.cursor
        if cursor is None:
            return Found(found, None)
    return Found(found, cursor, broke_off=True)
