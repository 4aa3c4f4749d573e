"""The jobs that a bulk action is for: those that were ticked, or all of a filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import Depends, HTTPException, Query

from ...field_types import Name
from ...jobs.filter import JobFilter
from .filters import Filters, parse_filters

# Their ids are in the URL, whose length is limited.
MAX_TICKED = 200


class Selection(NamedTuple):
    """Ticked jobs, or else all jobs that match filters."""

    filters: Filters
    ids: tuple[str, ...] = ()

    def to_jobs(self) -> JobFilter | Sequence[str]:
        """Return what a bulk action takes; raises InvalidRequestError for no id and no filter."""
        return self.ids or self.filters.to_job_filter()

    def query(self) -> str:
        """Return the selection as a URL query."""
        ids = urlencode([("id", each) for each in self.ids])
        return "&".join(filter(None, (self.filters.query(), ids)))


def parse_selection(
    filters: Annotated[Filters, Depends(parse_filters)],
    ids: Annotated[list[Name], Query(alias="id", max_length=MAX_TICKED)] = [],  # noqa: B006
    ticked: str = "",
) -> Selection:
    """Return the selection of a request; raises HTTPException 400 for a form without a tick.

    That form says in `ticked` that it does not mean all jobs of the filters.
    """
    if ticked and not ids:
        raise HTTPException(400, "no job is selected: go back, and tick those that you mean")
    return Selection(filters, tuple(dict.fromkeys(ids)))
