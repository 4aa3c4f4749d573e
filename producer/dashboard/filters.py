"""Which jobs the page shows: by state, by provider and by words."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import HTTPException, Query

from ...jobs.job import Job, State
from ...providers import PROVIDERS

MAX_SEARCH = 200


@dataclass(frozen=True)
class Filters:
    """What was asked for; empty for no matter."""

    state: str = ""
    provider: str = ""
    q: str = ""

    @property
    def reads_records(self) -> bool:
        """Whether jobs have to be looked at to tell: states alone are indexed."""
        return bool(self.provider or self.words)

    @property
    def words(self) -> list[str]:
        """The words searched for; each has to be there."""
        return self.q.casefold().split()

    def fit(self, job: Job) -> bool:
        """Whether the job is one of those asked for."""
        if self.state not in ("", job.state) or self.provider not in ("", job.provider):
            return False
        text = _text(job) if self.words else ""
        return all(word in text for word in self.words)

    def query(self, **changes: str) -> str:
        """The filters as a URL's query, with some of them changed."""
        changed = replace(self, **changes)
        named = {field.name: getattr(changed, field.name) for field in fields(changed)}
        return urlencode({name: value for name, value in named.items() if value})

    def url(self, cursor: str = "", **changes: str) -> str:
        """The page with the filters, some of them changed, from `cursor` on."""
        query = "&".join(filter(None, (self.query(**changes), cursor and f"cursor={cursor}")))
        return f"/?{query}" if query else "/"


def filters(
    state: str = "",
    provider: str = "",
    q: Annotated[str, Query(max_length=MAX_SEARCH)] = "",
) -> Filters:
    """The filters of a request; raises HTTPException for what no job can be."""
    if state and state not in set(State):
        raise HTTPException(400, f"no state is called {state}; there are {', '.join(State)}")
    if provider and provider not in PROVIDERS:
        raise HTTPException(400, f"no provider is called {provider}; known: {', '.join(PROVIDERS)}")
    return Filters(state, provider, q.strip())


def _text(job: Job) -> str:
    """What is searched of a job."""
    metadata = json.dumps(job.metadata, ensure_ascii=False)
    return f"{job.prompt}\n{job.id}\n{metadata}".casefold()
