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
    ArchiveUnavailableError,
    BudgetExceededError,
    ConfigError,
    IdempotencyConflictError,
    ImageQueueError,
    InvalidRequestError,
    InvalidTransitionError,
    LimitError,
    NotFoundError,
    RedisUnavailableError,
    UnreadableRecordError,
)
from ...providers.request import describe_unknown_field

STATUSES: dict[type[ImageQueueError], HTTPStatus] = {
    InvalidRequestError: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFoundError: HTTPStatus.NOT_FOUND,
    InvalidTransitionError: HTTPStatus.CONFLICT,
    IdempotencyConflictError: HTTPStatus.CONFLICT,
    BudgetExceededError: HTTPStatus.PAYMENT_REQUIRED,
    LimitError: HTTPStatus.TOO_MANY_REQUESTS,
    ArchiveUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    RedisUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    ConfigError: HTTPStatus.SERVICE_UNAVAILABLE,
    UnreadableRecordError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

# How many refused fields `detail` lists.
MAX_IN_DETAIL = 5

MEANINGS = {
    400: "The body does not match its content type.",
    401: "Missing or unknown API key.",
    402: "A budget does not allow it; `detail` names the budget and when it resets.",
    403: "No right: another machine without a key, a page of another site, or a limited key.",
    404: "Not found, or deleted after its retention.",
    409: "Conflict with the current state; `detail` says how.",
    413: "The body is too large.",
    415: "The body's content type is not supported.",
    416: "The range is beyond the end.",
    422: "Invalid; `problems` lists every reason, and nothing was done.",
    429: "The API key has reached its limit of jobs, or of open waits and streams.",
    503: "Redis, the archive, the storage or a setting prevents it for now.",
}
WAIT = {"description": "Seconds; omitted if waiting will not help.", "schema": {"type": "integer"}}


def get_status(error: Exception) -> HTTPStatus:
    """Return the HTTP status of an error of this package."""
    return next(status for kind, status in STATUSES.items() if isinstance(error, kind))


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


_REFERENCE = "#/components/schemas/{model}"


def build_problem_schemas() -> dict[str, Any]:
    """Return the schemas of a problem document, for the OpenAPI document."""
    schema = ProblemDocument.model_json_schema(ref_template=_REFERENCE)
    return {**schema.pop("$defs"), ProblemDocument.__name__: schema}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the error responses."""
    schema = {"$ref": _REFERENCE.format(model=ProblemDocument.__name__)}
    content = {"application/problem+json": {"schema": schema}}
    responses: dict[int | str, dict[str, Any]] = {
        status: {"description": MEANINGS[status], "content": content} for status in statuses
    }
    for status in {402, 429} & set(statuses):
        responses[status]["headers"] = {"Retry-After": WAIT}
    return responses


def problem_response(
    status: int,
    detail: str,
    problems: list[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return the response for an error."""
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


def install_handlers(app: FastAPI) -> None:
    """Register handlers that answer every error of the app with a problem document."""
    for kind in STATUSES:
        app.exception_handler(kind)(_on_own_error)
    app.exception_handler(RequestValidationError)(_on_invalid)
    app.exception_handler(HTTPException)(_on_http_error)
    app.exception_handler(Exception)(_on_bug)


def _on_own_error(_: Request, error: Exception) -> JSONResponse:
    status = get_status(error)
    fields = [
        FieldProblem(field=each.field, message=each.message)
        for each in getattr(error, "problems", ())
    ]
    wait_s = getattr(error, "retry_after_s", None)
    headers = {"Retry-After": str(wait_s)} if wait_s is not None else {}
    return problem_response(status, _join(fields) or str(error), fields, headers)


def _join(fields: list[FieldProblem]) -> str:
    listed = "; ".join(f"{each.field}: {each.message}" for each in fields[:MAX_IN_DETAIL])
    more = len(fields) - MAX_IN_DETAIL
    return f"{listed}; and {more} more problems" if more > 0 else listed


def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    """Answer FastAPI's own errors: a body that is not JSON, or a field of the wrong type."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    if any(each["type"] == "json_invalid" for each in found):
        return problem_response(
            HTTPStatus.BAD_REQUEST, "the body is not JSON; send one JSON object"
        )
    fields = [
        FieldProblem(
            field=".".join(str(part) for part in each["loc"][1:]) or str(each["loc"][0]),
            message=_to_message(each, request.url.path),
        )
        for each in found
    ]
    return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, _join(fields), fields)


def _to_message(error: Any, path: str) -> str:
    """Replace the messages that do not say what to change."""
    match error["type"]:
        case "extra_forbidden" if path == "/v1/jobs":
            return describe_unknown_field(error["loc"][1:])
        case "extra_forbidden":
            return "unknown field; /docs shows the known ones"
        case "model_attributes_type":
            return "send one JSON object, as Content-Type: application/json"
    message: str = error["msg"]
    return message.removeprefix("Value error, ")


def _on_http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this kind alone
    return problem_response(error.status_code, str(error.detail), headers=error.headers)


def _on_bug(_: Request, error: Exception) -> JSONResponse:
    """Answer an unexpected error; the server logs it with its traceback."""
    return problem_response(
        HTTPStatus.INTERNAL_SERVER_ERROR, "internal error: the API's log has the traceback"
    )
