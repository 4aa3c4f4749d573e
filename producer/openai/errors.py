"""Errors in OpenAI's form, with the headers by which its SDKs decide whether to send again."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from ...errors import (
    BudgetExceededError,
    ConfigError,
    ImageQueueError,
    InvalidRequestError,
    LimitError,
    Problem,
    RedisUnavailableError,
)
from ...jobs.job import Job, Reason, State
from ..api.problems import WAIT, get_status

INVALID, SERVER, LIMIT = "invalid_request_error", "server_error", "rate_limit_error"
_CODES = {401: "invalid_api_key", 403: "forbidden", 404: "not_found", 409: "conflict"}
# The status and the code of each reason for which a job fails.
_FAILURES: Mapping[Reason | None, tuple[int, str]] = {
    Reason.POLICY: (400, "content_policy_violation"),
    Reason.BAD_INPUT: (400, "bad_input"),
    Reason.AUTH: (502, "provider_auth"),
    Reason.CREDIT: (503, "provider_credit"),
    Reason.PROVIDER: (502, "provider_error"),
    Reason.TIMED_OUT: (504, "provider_timeout"),
    Reason.UNCONFIRMED: (502, "provider_unconfirmed"),
    Reason.CANCELLED: (409, "job_cancelled"),
}
RETRY_AFTER_S = 1


class ErrorDetails(BaseModel):
    """What is wrong, in the fields that OpenAI's SDKs read, and the job if there is one."""

    message: str
    type: str = Field(examples=[INVALID])
    param: str | None = Field(None, description="The field that was refused.")
    code: str | None = Field(None, examples=["model_not_found"])
    job: str | None = Field(None, description="Ours: the job that failed, or still runs.")


class ErrorDocument(BaseModel):
    """An error in OpenAI's form."""

    error: ErrorDetails


MEANINGS = {
    400: "Invalid: `error.param` names the field; or the provider's content policy forbids it.",
    401: "Missing or unknown API key.",
    403: "No right: another machine without a key, or a read-only key.",
    404: "Unknown model, job or image.",
    408: "The body came too slowly.",
    409: "The idempotency key belongs to another request, or the job was cancelled.",
    413: "The body or a file is too large.",
    415: "The body is not a form.",
    429: "The API key has reached its limit (`rate_limit_error`) or a budget "
    "(`insufficient_quota`).",
    502: "The provider failed; the job is in `error.job`.",
    503: "The job still runs, so that the same request waits on; or Redis, the storage or a "
    "setting prevents it for now.",
    504: "The provider did not finish in time.",
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the error responses."""
    repeat = {"description": "Whether to send it again.", "schema": {"enum": ["true", "false"]}}
    return {
        status: {
            "description": MEANINGS[status],
            "model": ErrorDocument,
            "headers": {"Retry-After": WAIT, "x-should-retry": repeat},
        }
        for status in statuses
    }


class OpenAIError(Exception):
    """An error to be answered in OpenAI's form."""

    def __init__(
        self,
        status: int,
        details: ErrorDetails,
        *,
        repeat: bool | None = False,
        retry_after_s: float | None = None,
    ) -> None:
        """`repeat` says whether to send the request again; with None, the status decides."""
        super().__init__(details.message)
        self.status = status
        self.details = details
        self.repeat = repeat
        self.retry_after_s = retry_after_s

    def to_response(self) -> Response:
        """Return the response."""
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        if self.repeat is not None:
            headers["x-should-retry"] = str(self.repeat).lower()
        if self.retry_after_s is not None:
            headers["Retry-After"] = f"{self.retry_after_s:g}"
        document = ErrorDocument(error=self.details)
        return JSONResponse(
            document.model_dump(exclude={} if self.details.job else {"error": {"job"}}),
            self.status,
            headers,
        )


def refuse(
    message: str, param: str | None, code: str = "invalid_value", status: int = 400
) -> OpenAIError:
    """Return the error of a request that is refused, and would be again."""
    details = ErrorDetails(message=message, type=INVALID, param=param, code=code)
    return OpenAIError(status, details)


def still_running(job_id: str) -> OpenAIError:
    """Return what makes the SDKs send the request again, which then waits for the same job."""
    message = f"{job_id} is not finished: send the same request again, or GET /v1/images/{job_id}"
    details = ErrorDetails(message=message, type=SERVER, code="job_not_finished", job=job_id)
    return OpenAIError(503, details, repeat=True, retry_after_s=RETRY_AFTER_S)


def describe_failure(job: Job) -> OpenAIError:
    """Return the error of a job without images; to repeat the request would not help."""
    error = job.error
    words = " ".join(filter(None, [error.code, error.message])) if error else ""
    reason = error.reason if error else None
    status, code = _FAILURES.get(reason, (502, "images_not_saved"))
    if job.state is State.CANCELLED:
        status, code = _FAILURES[Reason.CANCELLED]
    if job.state is State.UNSAVED:
        words = f"the images were made, but not saved: {words}"
    message = f"{job.id} {job.state}: {words or code}; charged: {job.charged}"
    kind = INVALID if status < 500 else SERVER
    return OpenAIError(status, ErrorDetails(message=message, type=kind, code=code, job=job.id))


class OpenAIRoute(APIRoute):
    """A route whose errors have OpenAI's form."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which converts every expected error."""
        handle = super().get_route_handler()

        async def handle_errors(request: Request) -> Response:
            try:
                return await handle(request)
            except (ImageQueueError, HTTPException, RequestValidationError) as error:
                return convert(error).to_response()
            except OpenAIError as error:
                return error.to_response()

        return handle_errors


def convert(error: Exception) -> OpenAIError:
    """Return an error of this package, or of FastAPI, in OpenAI's form."""
    match error:
        case InvalidRequestError():
            return _refuse_fields([(_to_param(each), each.message) for each in error.problems])
        case RequestValidationError():
            found = [(".".join(map(str, each["loc"][1:])), each["msg"]) for each in error.errors()]
            return _refuse_fields(found)
        case BudgetExceededError():
            details = ErrorDetails(
                message=str(error), type="insufficient_quota", code="insufficient_quota"
            )
            return OpenAIError(429, details, retry_after_s=error.retry_after_s)
        case LimitError():
            details = ErrorDetails(message=str(error), type=LIMIT, code="rate_limit_exceeded")
            repeat = error.retry_after_s is not None
            return OpenAIError(429, details, repeat=repeat, retry_after_s=error.retry_after_s)
        case HTTPException():
            return _convert_http(error)
    status = int(get_status(error))
    kind = SERVER if status >= 500 else INVALID
    details = ErrorDetails(message=str(error), type=kind, code=_CODES.get(status))
    is_temporary = isinstance(error, RedisUnavailableError) and not isinstance(error, ConfigError)
    return OpenAIError(status, details, repeat=is_temporary)


def _convert_http(error: HTTPException) -> OpenAIError:
    status = error.status_code
    kind = SERVER if status >= 500 else INVALID
    details = ErrorDetails(message=str(error.detail), type=kind, code=_CODES.get(status))
    wait_s = (error.headers or {}).get("Retry-After")
    return OpenAIError(
        status,
        details,
        repeat=status in (408, 503),
        retry_after_s=float(wait_s) if wait_s else None,
    )


def _refuse_fields(fields: list[tuple[str, str]]) -> OpenAIError:
    message = "; ".join(f"{name}: {words.removeprefix('Value error, ')}" for name, words in fields)
    return refuse(message, fields[0][0] if fields else None)


def _to_param(problem: Problem) -> str:
    """Return the field of OpenAI's request that a field of the job request comes from."""
    name = problem.field.removeprefix("params.")
    return "image" if name.partition(".")[0] == "image_urls" else name
