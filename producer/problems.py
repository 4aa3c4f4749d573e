"""Errors of the HTTP API as RFC 9457 problem documents."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from ..errors import (
    ConfigError,
    ImageQueueError,
    InvalidRequestError,
    MoveRefusedError,
    RedisUnavailableError,
    UnknownJobError,
)
from ..providers.request import JobRequest

STATUSES: dict[type[ImageQueueError], HTTPStatus] = {
    InvalidRequestError: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnknownJobError: HTTPStatus.NOT_FOUND,
    MoveRefusedError: HTTPStatus.CONFLICT,
    RedisUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    ConfigError: HTTPStatus.SERVICE_UNAVAILABLE,
}

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
    detail: str = Field(description="What to change.")
    problems: list[FieldProblem] = Field(default=[], description="Each field that was refused.")


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
    return problem(status, str(error), fields)


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
    detail = "; ".join(f"{each.field}: {each.message}" for each in fields)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, fields)


def _on_http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this kind alone
    return problem(error.status_code, str(error.detail), headers=error.headers)


def _on_bug(_: Request, error: Exception) -> JSONResponse:
    """What nobody foresaw; the server logs it with its traceback."""
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "a bug: the log of the API has its traceback")
