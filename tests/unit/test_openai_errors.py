"""Errors in OpenAI's form: what its SDKs do next depends on the status and two headers."""

import json
from datetime import timedelta
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from imagequeue.errors import (
    BudgetExceededError,
    ConfigError,
    IdempotencyConflictError,
    InvalidRequestError,
    LimitError,
    Problem,
    RedisUnavailableError,
    UnknownJobError,
)
from imagequeue.jobs.job import JobError, Reason, State, new_job, utc_now
from imagequeue.producer.openai.errors import convert, describe_failure, still_running
from imagequeue.producer.openai.prefer import Preferences, parse_preferences


def answer(error: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    response = error.to_response()
    return response.status_code, json.loads(response.body)["error"], dict(response.headers)


@pytest.mark.parametrize(
    ("error", "status", "kind", "code", "repeat", "retry_after"),
    [
        (
            BudgetExceededError("no", 60),
            429,
            "insufficient_quota",
            "insufficient_quota",
            "false",
            "60",
        ),
        (LimitError("no", 5), 429, "rate_limit_error", "rate_limit_exceeded", "true", "5"),
        (LimitError("no"), 429, "rate_limit_error", "rate_limit_exceeded", "false", None),
        (RedisUnavailableError("no"), 503, "server_error", None, "true", None),
        (ConfigError("no"), 503, "server_error", None, "false", None),
        (UnknownJobError("job_x"), 404, "invalid_request_error", "not_found", "false", None),
        (IdempotencyConflictError([0]), 409, "invalid_request_error", "conflict", "false", None),
        (HTTPException(503, "busy", {"Retry-After": "5"}), 503, "server_error", None, "true", "5"),
        (HTTPException(413, "large"), 413, "invalid_request_error", None, "false", None),
        (HTTPException(401, "key"), 401, "invalid_request_error", "invalid_api_key", "false", None),
    ],
)
def test_error_says_whether_a_repetition_helps(
    error: Exception, status: int, kind: str, code: str | None, repeat: str, retry_after: str | None
) -> None:
    found, body, headers = answer(convert(error))
    assert (found, body["type"], body["code"]) == (status, kind, code)
    assert (headers["x-should-retry"], headers.get("retry-after")) == (repeat, retry_after)
    assert "job" not in body


def test_every_refused_field_is_named_as_its_caller_wrote_it() -> None:
    problems = [Problem("image_urls.0", "no"), Problem("params.size", "bad"), Problem("n", "x")]
    _, body, _ = answer(convert(InvalidRequestError(problems)))
    assert body["param"] == "image"
    assert body["message"] == "image: no; size: bad; n: x"


@pytest.mark.parametrize(
    ("state", "reason", "status", "code"),
    [
        *((State.FAILED, each, None, None) for each in Reason),
        (State.CANCELLED, None, 409, "job_cancelled"),
        (State.UNSAVED, None, 502, "images_not_saved"),
        (State.FAILED, Reason.TIMED_OUT, 504, "provider_timeout"),
    ],
)
def test_job_without_images_is_not_repeated(
    state: State, reason: Reason | None, status: int | None, code: str | None
) -> None:
    now = utc_now()
    fields: dict[str, Any] = {"provider": "kie", "action": "generate", "delivery": "poll"}
    error = JobError(reason=reason, message="the provider's words")
    job = new_job(now, **fields).model_copy(
        update={"state": state, "error": error, "wake_at": now + timedelta(days=1)}
    )
    found, body, headers = answer(describe_failure(job))
    assert headers["x-should-retry"] == "false"
    assert (body["job"], "the provider's words" in body["message"]) == (job.id, True)
    assert "charged: no" in body["message"]
    assert (status or found, code or body["code"]) == (found, body["code"])


def test_job_that_runs_on_is_asked_for_again() -> None:
    status, body, headers = answer(still_running("job_x"))
    assert (status, body["job"], headers["x-should-retry"]) == (503, "job_x", "true")


@pytest.mark.parametrize(
    ("header", "is_async", "wait_s"),
    [
        ("", False, 570),
        ("wait=20", False, 20),
        ("wait=9999", False, 570),
        ("wait=0", False, 0),
        ("respond-async", True, 0),
        ("respond-async, wait=20", True, 20),
        ('Respond-Async; wait="7", handling=lenient', True, 7),
        ("wait=-1, wait=x", False, 570),
    ],
)
def test_header_says_how_long_to_wait(header: str, is_async: bool, wait_s: float) -> None:
    assert parse_preferences(header, 570) == Preferences(is_async, wait_s)
