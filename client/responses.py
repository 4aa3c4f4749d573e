"""Parse responses: typed values, or the error that says what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from ..errors import (
    AccessError,
    ApiError,
    ApiUnavailableError,
    BudgetExceededError,
    IdempotencyConflictError,
    ImageQueueError,
    InvalidRequestError,
    InvalidTransitionError,
    LimitError,
    NotFoundError,
    Problem,
    UnknownBatchError,
    UnknownJobError,
)
from .calls import Call
from .retries import LIMITED, UNAVAILABLE, parse_seconds

T = TypeVar("T")
MAX_QUOTED = 300


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    field: str = ""
    message: str = ""


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """An error as RFC 9457 describes it."""

    title: str = ""
    detail: str = ""
    problems: list[_Problem] = []


class BatchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The part of an accepted batch that says what became of each item."""

    id: str
    jobs: list[str | None]
    refused: list[RefusedItem] = []


class RefusedItem(msgspec.Struct, frozen=True, kw_only=True):
    """An item that was refused."""

    index: int
    problems: list[_Problem] = []


def parse(body: bytes, kind: type[T]) -> T:
    """Return the value of a successful response; raises ApiError if it is none."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise ApiError(200, f"the answer is not from the API of a queue: {error}") from None


def parse_error(call: Call, status: int, headers: Mapping[str, str], body: bytes) -> Exception:
    """Return the error that a response means."""
    try:
        document = msgspec.json.decode(body, type=_Document)
    except msgspec.MsgspecError:
        document = _Document(detail=body[:MAX_QUOTED].decode(errors="replace"))
    detail = document.detail or document.title or f"status {status}"
    wait_s = parse_seconds(headers.get("retry-after"))
    problems = [Problem(each.field, each.message) for each in document.problems]
    match status:
        case 401 | 403:
            return AccessError(f"{detail} (IMAGEQUEUE_API_KEY)" if status == 401 else detail)
        case 402:
            return BudgetExceededError(detail, wait_s)
        case 404:
            return _not_found(call, detail)
        case 409 if call.is_repeatable:
            return IdempotencyConflictError((), detail)
        case 409:
            return InvalidTransitionError(detail)
        case 400 | 413 | 415 | 422:
            return InvalidRequestError(problems or [Problem("request", detail)])
        case _ if status == LIMITED:
            return LimitError(detail, wait_s)
        case _ if status in UNAVAILABLE:
            return ApiUnavailableError(status, detail)
    return ApiError(status, detail)


def _not_found(call: Call, detail: str) -> ImageQueueError:
    parts = call.path.split("/")
    match parts:
        case ["", "v1", "jobs", job_id] | ["", "v1", "jobs", job_id, _]:
            return UnknownJobError(job_id)
        case ["", "v1", "batches", batch_id, *_]:
            return UnknownBatchError(batch_id)
    return NotFoundError(detail)
