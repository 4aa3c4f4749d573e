"""Errors of the HTTP API as RFC 9457 problem documents."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from ...errors import (
    ConfigError,
    IdempotencyConflictError,
    ImageQueueError,
    InvalidRequestError,
    InvalidTransitionError,
    LimitError,
    NotFoundError,
    RedisUnavailableError,
)
from ...providers.request import JobRequest

STATUSES: dict[type[ImageQueueError], HTTPStatus] = {
    InvalidRequestError: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFoundError: HTTPStatus.NOT_FOUND,
    InvalidTransitionError: HTTPStatus.CONFLICT,
    IdempotencyConflictError: HTTPStatus.CONFLICT,
    LimitError: HTTPStatus.TOO_MANY_REQUESTS,
    RedisUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    ConfigError: HTTPStatus.SERVICE_UNAVAILABLE,
}

# How many of the fields that were refused are told in the one line for people.
MAX_IN_DETAIL = 5

MEANINGS = {
    400: "The body is not what its type says.",
    401: "No API key, or one that is not known.",
    403: "Not from here: another machine without a key, or a page of another site.",
    404: "There is no such thing, or it has passed its retention.",
    409: "It would contradict what has happened; `detail` says how.",
    413: "The body is too large.",
    415: "A body of a type that is not understood.",
    416: "A range beyond the end.",
    422: "Refused whole; `problems` lists every reason.",
    429: "The key has sent as many jobs as it may.",
    503: "Redis, the storage or a setting does not let it be done now.",
}
WAIT = {"description": "Seconds; left out where to wait is no help.", "schema": {"type": "integer"}}

# Where FastAPI's own words do not say what to change.
WORDS = {
    "extra_forbidden": f"unknown field; known: {', '.join(JobRequest.model_fields)}",
    "model_attributes_type": "send one JSON object, as Content-Type: application/json",
}


class FieldProblem(BaseModel):
    """One field that was refused, and what to change."""

    field: str = Field(examples=["params.aspect_ratio"])
    message: str


class ProblemDocument(BaseModel):
    """An error, as application/problem+json."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Entity"])
    status: int
    detail: str = Field(
        description="What to change.",
        examples=["params.size: must be one of 1:1, 16:9"],
    )
    problems: list[FieldProblem] = Field(default=[], description="Each field that was refused.")


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the API's document says of answers that tell of an error."""
    content = {"application/problem+json": {"schema": ProblemDocument.model_json_schema()}}
    said: dict[int | str, dict[str, Any]] = {
        status: {"description": MEANINGS[status], "content": content} for status in statuses
    }
    if 429 in said:
        said[429]["headers"] = {"Retry-After": WAIT}
    return said


def problem(
    status: int,
    detail: str,
    problems: list[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer that tells of an error."""
    document = ProblemDocument(
        title=HTTPStatus(status).phrase, status=status, detail=detail, problems=problems or []
    )
    challenge = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    return JSONResponse(
        document.model_dump(exclude_defaults=True) | {"type": document.type},
        status,
        {**(headers or {}), **challenge},
        media_type="application/problem+json",
    )


def install(app: FastAPI) -> None:
    """Answer every error of the app with a problem document."""
    for kind in STATUSES:
        app.exception_handler(kind)(_on_our_error)
    app.exception_handler(RequestValidationError)(_on_invalid)
    app.exception_handler(HTTPException)(_on_http_error)
    app.exception_handler(Exception)(_on_bug)


def _on_our_error(_: Request, error: Exception) -> JSONResponse:
    status = next(code for kind, code in STATUSES.items() if isinstance(error, kind))
    fields = [
        FieldProblem(field=each.field, message=each.message)
        for each in getattr(error, "problems", ())
    ]
    wait_s = getattr(error, "retry_after_s", None)
    headers = {"Retry-After": str(wait_s)} if wait_s is not None else {}
    return problem(status, _in_words(fields) or str(error), fields, headers)


def _in_words(fields: list[FieldProblem]) -> str:
    told = "; ".join(f"{each.field}: {each.message}" for each in fields[:MAX_IN_DETAIL])
    more = len(fields) - MAX_IN_DETAIL
    return f"{told}; and {more} more problems" if more > 0 else told


def _on_invalid(_: Request, error: Exception) -> JSONResponse:
    """FastAPI's own findings: the body is no JSON, or a field of it has the wrong type."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    if any(each["type"] == "json_invalid" for each in found):
        return problem(HTTPStatus.BAD_REQUEST, "the body is not JSON; send one JSON object")
    fields = [
        FieldProblem(
            field=".".join(str(part) for part in each["loc"][1:]) or str(each["loc"][0]),
            message=WORDS.get(each["type"], each["msg"].removeprefix("Value error, ")),
        )
        for each in found
    ]
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, _in_words(fields), fields)


def _on_http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this kind alone
    return problem(error.status_code, str(error.detail), headers=error.headers)


def _on_bug(_: Request, error: Exception) -> JSONResponse:
    """What nobody foresaw; the server logs it with its traceback."""
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "a bug: the log of the API has its traceback")
