"""The body of a batch, as one JSON object or as JSON Lines."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Any, NamedTuple

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from ...errors import InvalidRequestError, Problem
from ...providers.request import JobRequest
from ..submission import MAX_IN_BATCH, OnError

JSON = "application/json"
JSON_LINES = ("application/jsonl", "application/x-ndjson")


class BatchItem(JobRequest):
    """One job of a batch."""

    idempotency_key: str | None = Field(
        None,
        max_length=255,
        description="Repeating the item with this key within 24 h returns the original job.",
    )


class BatchRequest(BaseModel):
    """Jobs to submit together."""

    model_config = ConfigDict(extra="forbid")

    # Validated one by one, so that every problem is reported at once.
    items: list[Any]
    on_error: OnError = "refuse"


class Items(NamedTuple):
    """The items of a body, and where in it each one is."""

    items: Sequence[Any]
    on_error: OnError
    lines: Sequence[int] | None = None
    """The line of each item of a JSON Lines body."""

    def line_of(self, index: int) -> int | None:
        """Return the line of an item, from 1, or None."""
        return self.lines[index] if self.lines else None

    def locate(self, error: InvalidRequestError) -> InvalidRequestError:
        """Return the error with places of the body: `items.3.prompt` or `line 4: prompt`."""
        return InvalidRequestError([self._locate(problem) for problem in error.problems])

    def _locate(self, problem: Problem) -> Problem:
        index, dot, field = problem.field.partition(".")
        if not dot:
            return problem
        place = f"line {self.lines[int(index)]}: " if self.lines else f"items.{index}."
        return Problem(place + field, problem.message)


def parse_items(body: bytes, content_type: str, on_error: OnError) -> Items:
    """Parse a body; raises HTTPException 415, or RequestValidationError."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in JSON_LINES:
        return _parse_lines(body, on_error)
    if kind != JSON:
        raise HTTPException(
            415, f"send {JSON}, or one object per line as {' or '.join(JSON_LINES)}"
        )
    try:
        parsed = BatchRequest.model_validate_json(body.removeprefix(BOM_UTF8))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise RequestValidationError(
            [{**each, "loc": ("body", *each["loc"])} for each in found]
        ) from None
    return Items(parsed.items, parsed.on_error)


def _parse_lines(body: bytes, on_error: OnError) -> Items:
    lines = (line.removeprefix(BOM_UTF8) for line in body.split(b"\n"))
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line.strip()]
    numbered = numbered[: MAX_IN_BATCH + 1]  # one too many is enough to refuse them all
    return Items([_parse_line(line) for _, line in numbered], on_error, [n for n, _ in numbered])


def _parse_line(line: bytes) -> Any:
    try:
        return from_json(line)
    except ValueError:
        return None  # refused later, because it is not a JSON object
