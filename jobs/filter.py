"""A filter: the jobs that have some things in common."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PlainValidator,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from ..errors import InvalidRequestError, Problem
from ..field_types import Name, parse_duration
from ..providers import get as get_provider
from .job import Job, Reason, State

MAX_WORDS_CHARACTERS = 200
MAX_METADATA = 10
# Only these jobs have a reason.
_WITH_REASON = frozenset({State.FAILED, State.CANCELLED})


def _parse_since(given: object) -> datetime | timedelta:
    """Return the time, or how long ago it is; raises ValueError for anything else."""
    with suppress(ValueError):
        return parse_duration(given)
    with suppress(ValueError):
        at = datetime.fromisoformat(given) if isinstance(given, str) else given
        if isinstance(at, datetime):
            # Times without an offset are UTC, as they are printed.
            return at if at.tzinfo else at.replace(tzinfo=UTC)
    raise ValueError("must be a time such as 2026-11-20T12:00:00Z, or a duration such as 2h or 7d")


Since = Annotated[
    datetime | timedelta,
    PlainValidator(_parse_since),
    WithJsonSchema({"type": "string", "examples": ["2h", "2026-11-20T12:00:00Z"]}),
]


Until = Annotated[datetime, AfterValidator(lambda at: at if at.tzinfo else at.replace(tzinfo=UTC))]

Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_WORDS_CHARACTERS)
]


class JobConditions(BaseModel):
    """Selects the jobs for which every given field is true; without any, all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: Name | None = None
    state: State | None = None
    provider: Name | None = None
    model: Name | None = Field(None, description="The parameter `model`.")
    caller: Name | None = Field(None, description="Who submitted the job.")
    reason: Reason | None = Field(None, description="Why the job failed.")
    words: Words | None = Field(
        None, description="Each of these words is in the job's prompt, id or metadata."
    )
    since: Since | None = Field(
        None,
        description="The job was created at or after this ISO 8601 time (UTC without an offset), "
        "or so long ago: `90s`, `30m`, `2h` or `7d`.",
    )
    until: Until | None = Field(None, description="The job was created before this ISO 8601 time.")
    metadata: dict[Name, Name] = Field(
        {},
        max_length=MAX_METADATA,
        description="The job's metadata has this text, number or truth value under each name.",
    )
    min_usd: NonNegativeFloat | None = Field(None, description="It costs at least this.")
    max_usd: NonNegativeFloat | None = Field(None, description="It costs at most this.")

    @field_validator("provider")
    @classmethod
    def _check_provider(cls, name: str | None) -> str | None:
        return None if name is None else get_provider(name).name

    @property
    def reads_records(self) -> bool:
        """Whether an index of states does not tell which jobs match."""
        read = (self.reason, self.words, self.model, self.until, self.min_usd, self.max_usd)
        return bool(self.metadata) or any(each is not None for each in read)

    def list_states(self) -> list[State]:
        """Return the states that matching jobs may have."""
        return [
            state
            for state in State
            if self.state in (None, state) and (self.reason is None or state in _WITH_REASON)
        ]

    def find_start(self, now: datetime) -> datetime | None:
        """Return the time since which matching jobs were created."""
        return now - self.since if isinstance(self.since, timedelta) else self.since

    def matches(self, job: Job) -> bool:
        """Return whether a job matches, apart from the time of its creation."""
        wanted = (self.batch, self.provider, self.model, self.caller, self.reason)
        reason = job.error.reason if job.error else None
        model = str(job.params.get("model", ""))
        found = (job.batch, job.provider, model, job.submitted_by, reason)
        same = all(each in (None, has) for each, has in zip(wanted, found, strict=True))
        return (
            same
            and job.state in self.list_states()
            and (self.until is None or job.created_at < self.until)
            and all(_to_text(job.metadata.get(k)) == v for k, v in self.metadata.items())
            and self._has_cost(job)
            and has_words(job, self.words or "")
        )

    def _has_cost(self, job: Job) -> bool:
        if self.min_usd is None and self.max_usd is None:
            return True
        usd = job.cost.usd
        return usd is not None and (self.min_usd or 0) <= usd <= (
            math.inf if self.max_usd is None else self.max_usd
        )


class JobFilter(JobConditions):
    """Selects the jobs for which every given field is true; at least one must be given."""

    @model_validator(mode="after")
    def _require_field(self) -> JobFilter:
        if not self.model_dump(exclude_none=True, exclude_defaults=True):
            raise ValueError(f"give at least one of {', '.join(type(self).model_fields)}")
        return self


def _to_text(value: object) -> str | None:
    """Return a text, number or truth value of the metadata as a filter has it."""
    match value:
        case str():
            return value
        case bool() | int() | float():
            return json.dumps(value)
    return None


def has_words(job: Job, words: str) -> bool:
    """Return whether each word is in the job's prompt, id or metadata, in any case."""
    if not words:
        return True
    metadata = json.dumps(job.metadata, ensure_ascii=False)
    text = f"{job.prompt}\n{job.id}\n{metadata}".casefold()
    return all(word in text for word in words.casefold().split())


def parse_metadata(given: Iterable[str]) -> dict[str, str]:
    """Return the names and values in `order=7`; raises InvalidRequestError."""
    pairs = [each.partition("=") for each in given]
    if any(not (name and equals) for name, equals, _ in pairs):
        raise InvalidRequestError([Problem("metadata", "must be NAME=VALUE")])
    return {name: value for name, _, value in pairs}


def parse_filter(fields: Mapping[str, object]) -> JobFilter:
    """Return the filter with these fields; raises InvalidRequestError."""
    return _parse(JobFilter, fields)


def parse_conditions(fields: Mapping[str, object]) -> JobConditions:
    """Return the conditions with these fields, perhaps none; raises InvalidRequestError."""
    return _parse(JobConditions, fields)


C = TypeVar("C", bound=JobConditions)


def _parse(kind: type[C], fields: Mapping[str, object]) -> C:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise InvalidRequestError(
            [
                Problem(
                    ".".join(map(str, each["loc"])) or "filter",
                    each["msg"].removeprefix("Value error, "),
                )
                for each in error.errors(include_url=False, include_input=False)
            ]
        ) from None
