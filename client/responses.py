"""Parse responses: typed values, or the error that says what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
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
from .results import RefusedJob, SubmittedJob
from .retries import LIMITED, UNAVAILABLE, parse_seconds

T = TypeVar("T")
MAX_QUOTED = 300
_LINE = re.compile(r"line ([0-9]+): (.*)", re.DOTALL)


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    field: str = ""
    message: str = ""


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """An error as RFC 9457 describes it."""

    title: str = ""
    detail: str = ""
    problems: list[_Problem] = []


class _Refused(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    problems: list[_Problem] = []


class BatchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of each item of a batch."""

    id: str
    jobs: list[str | None]
    refused: list[_Refused] = []

    def list_accepted(self, start: int) -> Iterator[SubmittedJob]:
        """Yield the accepted items, the first of the batch being number `start`."""
        for index, job_id in enumerate(self.jobs, start):
            if job_id is not None:
                yield SubmittedJob(index=index, id=job_id, batch=self.id)

    def list_refused(self, start: int) -> list[RefusedJob]:
        """Return the refused items."""
        return [
            RefusedJob(
                index=start + each.index,
                problems=tuple(Problem(p.field, p.message) for p in each.problems),
            )
            for each in self.refused
        ]


def list_refused(error: InvalidRequestError, start: int) -> list[RefusedJob]:
    """Return the items of a batch that was refused as a whole, with what is wrong with each.

    Raises the error if it is about the batch itself.
    """
    problems: dict[int, list[Problem]] = {}
    for each in error.problems:
        if not (found := _LINE.fullmatch(each.field)):
            raise error
        problem = Problem(found[2], each.message)
        problems.setdefault(start + int(found[1]) - 1, []).append(problem)
    return [RefusedJob(index=index, problems=tuple(found)) for index, found in problems.items()]


def locate(refused: Iterable[RefusedJob]) -> InvalidRequestError:
    """Return the error that names the number of each request."""
    return InvalidRequestError(
        [
            Problem(f"requests.{each.index}.{problem.field}", problem.message)
            for each in refused
            for problem in each.problems
        ]
    )


def parse(body: bytes, kind: type[T]) -> T:
    """Return the value of a successful response; raises ApiError if the body is invalid."""
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
