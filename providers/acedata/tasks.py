"""How an AceData task is doing, from a look-up or a callback.

There is no status word: a task is finished when its `response` has pictures, an error, or the
record a time of finishing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parsing import as_object, as_text, is_moderation, parse
from ..wire import (
    Failed,
    MalformedResponseError,
    Pending,
    ProviderResponse,
    StatusUnavailable,
    Succeeded,
    TaskNotFound,
    TaskStatus,
)
from .responses import REASONS, Error, result_images


def parse_status_response(response: ProviderResponse) -> TaskStatus:
    """What a task record says; raises MalformedResponseError where it is none."""
    record = _body(response)
    if isinstance(record, StatusUnavailable):
        return record
    if not record:
        return TaskNotFound(message="no task has this id")
    return _read_record(record)


def parse_batch_status_response(
    response: ProviderResponse,
) -> Mapping[str, TaskStatus] | StatusUnavailable:
    """What each task record says, by the task's id; an item without an id is nobody's."""
    body = _body(response)
    if isinstance(body, StatusUnavailable):
        return body
    if not isinstance(body.get("items"), list):
        raise MalformedResponseError("the batch look-up has no items")
    records = map(as_object, body["items"])
    return {as_text(record.get("id")): _read_item(record) for record in records if record}


def _body(response: ProviderResponse) -> dict[str, Any] | StatusUnavailable:
    """The object that a look-up came back with, or the error that came in its place."""
    try:
        body = parse(response.body)
    except MalformedResponseError:
        if response.status == 200:
            raise
        body = {}
    if response.status != 200 or Error.of(body).word:
        return _unavailable(body, str(response.status), response.retry_after_s)
    return body


def _unavailable(
    body: Mapping[str, Any], code: str, retry_after_s: float | None = None
) -> StatusUnavailable:
    error = Error.of(body)
    return StatusUnavailable(
        code=error.word or code, message=error.message, retry_after_s=retry_after_s
    )


def _read_item(record: Mapping[str, Any]) -> TaskStatus:
    if Error.of(record).word:
        # Beside the response, not in it: the look-up's own error, as in an answer on one task.
        return _unavailable(record, "")
    try:
        return _read_record(record)
    except MalformedResponseError as error:
        return StatusUnavailable(code=type(error).__name__, message=str(error))


def _read_record(record: Mapping[str, Any]) -> TaskStatus:
    task_id, response = as_text(record.get("id")), record.get("response")
    if not task_id:
        raise MalformedResponseError("the look-up is no task record")
    if response is not None and not isinstance(response, dict):
        raise MalformedResponseError("the task's response is not an object")
    report = _read_result({"task_id": task_id, **(response or {})})
    if isinstance(report, Pending) and isinstance(record.get("finished_at"), int | float):
        message = "finished without a result"
        return Failed(reason="provider", code="finished", message=message, task_id=report.task_id)
    return report


def parse_callback(body: bytes) -> TaskStatus:
    """What a callback says; a failure may come without a task id."""
    result = parse(body)
    if "success" not in result and not result.get("error"):
        raise MalformedResponseError("the callback says neither success nor error")
    return _read_result(result)


def _read_result(result: Mapping[str, Any]) -> TaskStatus:
    """What the final body says, which a callback and a record's `response` have in common."""
    task_id = as_text(result.get("task_id")) or None
    success = result.get("success")
    if not isinstance(success, bool | None):
        raise MalformedResponseError("success is neither true nor false")
    if success is False or result.get("error"):
        return _failure(Error.of(result), task_id)
    if images := result_images(result):
        return Succeeded(images=images, task_id=task_id)
    if result.get("data"):
        raise MalformedResponseError("the task has results, but no URL among them")
    return Pending(task_id=task_id)


def _failure(error: Error, task_id: str | None) -> Failed:
    reason = "policy" if is_moderation(error.message) else REASONS.get(error.word, "provider")
    code = error.word or "unspecified"
    return Failed(reason=reason, code=code, message=error.message, task_id=task_id)
