"""The conditions in the query of a list or an export of jobs."""

from typing import Annotated, Any

from fastapi import Query

from ...jobs.filter import JobConditions, parse_conditions, parse_metadata
from ...jobs.job import State


def read_conditions(
    state: State | None = None,
    provider: str | None = None,
    model: str | None = None,
    submitted_by: Annotated[str | None, Query(description="Who submitted the job.")] = None,
    batch: str | None = None,
    reason: Annotated[str | None, Query(description="Why the job failed.")] = None,
    words: Annotated[
        str | None,
        Query(
            description="Words in the prompt, id or metadata; of archived jobs, how words of the "
            "prompt or metadata begin."
        ),
    ] = None,
    since: Annotated[
        str | None, Query(description="Created at or after this time, or so long ago: `2h`, `7d`.")
    ] = None,
    until: Annotated[str | None, Query(description="Created before this time.")] = None,
    metadata: Annotated[
        list[str] | None, Query(description="`NAME=VALUE` in the metadata; may be repeated.")
    ] = None,
    min_usd: Annotated[float | None, Query(description="Costs at least this.")] = None,
    max_usd: Annotated[float | None, Query(description="Costs at most this.")] = None,
) -> JobConditions:
    """Return the conditions of a request; raises InvalidRequestError."""
    given: dict[str, Any] = {
        "state": state,
        "provider": provider,
        "model": model,
        "caller": submitted_by,
        "batch": batch,
        "reason": reason,
        "words": words,
        "since": since,
        "until": until,
        "metadata": parse_metadata(metadata or ()) or None,
        "min_usd": min_usd,
        "max_usd": max_usd,
    }
    return parse_conditions({name: value for name, value in given.items() if value is not None})
