"""The dashboard's filters: state, provider and search words."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import HTTPException, Query

from ...jobs.filter import (
    MAX_WORDS_CHARACTERS,
    JobConditions,
    JobFilter,
    has_words,
    parse_conditions,
    parse_filter,
)
from ...jobs.ids import is_batch_id
from ...jobs.job import Job, State
from ...providers import PROVIDERS


@dataclass(frozen=True)
class Filters:
    """The requested filters; an empty one is off."""

    state: str = ""
    provider: str = ""
    batch: str = ""
    q: str = ""

    @property
    def reads_records(self) -> bool:
        """Whether the job records must be read: jobs are counted by their states only."""
        return bool(self.provider or self.batch or self.q)

    def to_job_filter(self) -> JobFilter:
        """Return the same filter for a bulk action; raises InvalidRequestError without any."""
        return parse_filter(self._to_fields())

    def to_conditions(self) -> JobConditions:
        """Return the same conditions, perhaps none."""
        return parse_conditions(self._to_fields())

    def _to_fields(self) -> dict[str, str]:
        return {{"q": "words"}.get(name, name): each for name, each in self.list_given().items()}

    def list_given(self) -> dict[str, str]:
        """Return the filters that are on, by their names in the URL."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in named.items() if value}

    def matches(self, job: Job) -> bool:
        """Return whether the job passes every filter."""
        if self.state not in ("", job.state) or self.provider not in ("", job.provider):
            return False
        if self.batch not in ("", job.batch):
            return False
        return has_words(job, self.q)

    def query(self, **changes: str) -> str:
        """Return the filters as a URL query, with some changed."""
        return urlencode(replace(self, **changes).list_given())

    def page_query(self, cursor: str | None = None, **changes: str) -> str:
        """Return the query of a page, which starts after `cursor`."""
        return "&".join(filter(None, (self.query(**changes), cursor and f"cursor={cursor}")))

    def url(self, cursor: str | None = None, **changes: str) -> str:
        """Return the page's URL with the filters, some changed, starting after `cursor`."""
        return f"/?{query}" if (query := self.page_query(cursor, **changes)) else "/"

    def job_url(self, job_id: str) -> str:
        """Return the URL of a job's page, which leads on to other jobs of these filters."""
        return f"/jobs/{job_id}?{query}" if (query := self.query()) else f"/jobs/{job_id}"


def parse_filters(
    state: str = "",
    provider: str = "",
    batch: str = "",
    q: Annotated[str, Query(max_length=MAX_WORDS_CHARACTERS)] = "",
) -> Filters:
    """Return the filters of a request; raises HTTPException 400 for unknown values."""
    if state and state not in set(State):
        raise HTTPException(400, f"no state is called {state}; there are {', '.join(State)}")
    if provider and provider not in PROVIDERS:
        raise HTTPException(400, f"no provider is called {provider}; known: {', '.join(PROVIDERS)}")
    if batch and not is_batch_id(batch):
        raise HTTPException(400, f"no batch is called {batch}: give the id of one")
    return Filters(state, provider, batch, q.strip())
