"""The body of a batch, as one JSON object or as JSON Lines, never parsed all at once."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Sequence
from itertools import islice
from typing import Any

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from ...errors import InvalidRequestError, Problem
from ...providers.request import JobRequest
from ..submission import MAX_IN_BATCH, OnError
from .body_limit import MAX_BYTES

JSON = "application/json"
JSON_LINES = ("application/jsonl", "application/x-ndjson")

# As much as the body of one job.
MAX_ITEM_BYTES = MAX_BYTES
# Strings, brackets and commas. Parsed, `{}` takes 30 times as much memory as in a body.
MAX_TOKENS = 2_000_000

# A string without its end is a token too: to look for one again and again would take for ever.
_TOKEN = re.compile(rb'"(?:[^"\\\n]++|\\.)*+"?|[][{},]')
_ITEMS = re.compile(rb'"items"\s*:\s*\Z')
_MAX_SPACES = 100
# Without the blank lines. A carriage return ends a line, too: JSON has none inside of its texts.
_LINE = re.compile(rb"\S[^\r\n]*+")
_LINE_ENDS = (b"\n", b"\r", b"\r\n")

Span = tuple[int, int]


class BatchItem(JobRequest):
    """One job of a batch."""

    idempotency_key: str | None = Field(
        None,
        max_length=255,
        description="Repeating the item with this key within 24 h returns the original job.",
    )


class BatchRequest(BaseModel):
    """A batch without its items, which are parsed one by one."""

    model_config = ConfigDict(extra="forbid")

    items: list[Any]
    on_error: OnError = "refuse"


class Items(Sequence[Any]):
    """The items of a body, each parsed when it is asked for."""

    def __init__(
        self,
        body: bytearray,
        spans: Sequence[Span],
        on_error: OnError,
        lines: Sequence[int] | None = None,
    ) -> None:
        self.on_error = on_error
        self._body = body
        self._spans = spans
        self._lines = lines

    def __len__(self) -> int:
        return len(self._spans)

    def __getitem__(self, index: Any) -> Any:
        """Return an item; one that is too large or not JSON is None, which is refused later."""
        start, end = self._spans[index]
        if end - start > MAX_ITEM_BYTES:
            return None
        try:
            return from_json(bytes(self._body[start:end]).removeprefix(BOM_UTF8))
        except ValueError:
            return None

    def get_line_number(self, index: int) -> int | None:
        """Return the line of an item of JSON Lines, from 1, or None."""
        return self._lines[index] if self._lines is not None else None

    def locate(self, error: InvalidRequestError) -> InvalidRequestError:
        """Return the error with places of the body: `items.3.prompt` or `line 4: prompt`."""
        return InvalidRequestError([self._locate(problem) for problem in error.problems])

    def _locate(self, problem: Problem) -> Problem:
        index, dot, field = problem.field.partition(".")
        if not dot:
            return problem
        line = self.get_line_number(int(index))
        place = f"items.{index}." if line is None else f"line {line}: "
        return Problem(place + field, problem.message)


def parse_items(body: bytearray, content_type: str, on_error: OnError) -> Items:
    """Find the items of a body; raises HTTPException 413 or 415, or RequestValidationError."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind != JSON and kind not in JSON_LINES:
        raise HTTPException(
            415, f"send {JSON}, or one object per line as {' or '.join(JSON_LINES)}"
        )
    if next(islice(_TOKEN.finditer(body), MAX_TOKENS, None), None) is not None:
        raise HTTPException(413, "the batch has too many values: send fewer items at a time")
    return _find_elements(body) if kind == JSON else _find_lines(body, on_error)


def _find_lines(body: bytearray, on_error: OnError) -> Items:
    spans: list[Span] = []
    lines: list[int] = []
    line, seen = 1, 0
    # One too many is enough to refuse them all.
    filled = (each for each in _LINE.finditer(body) if each.group().strip() != BOM_UTF8)
    for found in islice(filled, MAX_IN_BATCH + 1):
        feeds, returns, pairs = (body.count(e, seen, found.start()) for e in _LINE_ENDS)
        line += feeds + returns - pairs
        seen = found.start()
        spans.append(found.span())
        lines.append(line)
    return Items(body, spans, on_error, lines)


def _find_elements(body: bytearray) -> Items:
    (start, end), spans = _find_array(body)
    # What is left is small, and pydantic describes whatever is wrong with it.
    rest = bytes(body[:start] + body[end:])
    if len(rest) > MAX_ITEM_BYTES:
        raise HTTPException(413, f"give a list of `items`, and {MAX_ITEM_BYTES} bytes beside it")
    try:
        parsed = BatchRequest.model_validate_json(rest.removeprefix(BOM_UTF8))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise RequestValidationError(
            [{**each, "loc": ("body", *each["loc"])} for each in found]
        ) from None
    if parsed.items:
        raise HTTPException(400, "give `items` once, and without escapes in its name")
    return Items(body, spans, parsed.on_error)


def _find_array(body: bytearray) -> tuple[Span, list[Span]]:
    """Return where the array `items` is inside of its brackets, and each of its elements.

    The array is empty if there is none.
    """
    depth, array, start = 0, None, 0
    spans: list[Span] = []
    for found in _TOKEN.finditer(body):
        at, end = found.span()
        token = bytes(body[at : at + 1])
        if token in b"[{":
            depth += 1
            if depth == 2 and _ITEMS.search(body, max(0, at - _MAX_SPACES), at):
                array = start = end
        elif token in b"]}":
            depth -= 1
            if depth == 1 and array is not None:
                if spans or body[start:at].strip():
                    spans.append((start, at))
                return (array, at), spans
        elif token == b"," and depth == 2 and array is not None and len(spans) <= MAX_IN_BATCH:
            spans.append((start, at))
            start = end
    return (0, 0), []
