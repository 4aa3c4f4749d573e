"""The body of a batch, as one JSON object or as JSON Lines."""

from __future__ import annotations

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
        None, max_length=255, description="Makes one job of this item, however often it is sent."
    )


class BatchRequest(BaseModel):
    """Jobs to be accepted together."""

    model_config = ConfigDict(extra="forbid")

    # Each is checked on its own, so that all that is wrong can be told at once.
    items: list[Any]
    on_error: OnError = "refuse"


class Items(NamedTuple):
    """What a body asks for, and where in it each item stands."""

    items: Sequence[Any]
    on_error: OnError
    lines: Sequence[int] | None = None
    """The line of each item, if it came in lines."""

    def line(self, index: int) -> int | None:
        """The line of an item."""
        return self.lines[index] if self.lines else None

    def placed(self, error: InvalidRequestError) -> InvalidRequestError:
        """The error with each problem where the body has it: `items.3.prompt`, `line 4: prompt`."""
        return InvalidRequestError([self._placed(problem) for problem in error.problems])

    def _placed(self, problem: Problem) -> Problem:
        index, dot, field = problem.field.partition(".")
        if not dot:
            return problem
        place = f"line {self.lines[int(index)]}: " if self.lines else f"items.{index}."
        return Problem(place + field, problem.message)


def read_items(body: bytes, content_type: str, on_error: OnError) -> Items:
    """The items of a body; raises HTTPException 415, or RequestValidationError."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in JSON_LINES:
        return _lines(body, on_error)
    if kind != JSON:
        raise HTTPException(415, f"send {JSON}, or one object a line as {' or '.join(JSON_LINES)}")
    try:
        asked = BatchRequest.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise RequestValidationError(
            [{**each, "loc": ("body", *each["loc"])} for each in found]
        ) from None
    return Items(asked.items, asked.on_error)


def _lines(body: bytes, on_error: OnError) -> Items:
    numbered = [(n, line) for n, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    numbered = numbered[: MAX_IN_BATCH + 1]  # one more is enough to refuse them all
    return Items([_item(line) for _, line in numbered], on_error, [n for n, _ in numbered])


def _item(line: bytes) -> Any:
    try:
        return from_json(line)
    except ValueError:
        return None  # refused as no JSON object, like a number would be
