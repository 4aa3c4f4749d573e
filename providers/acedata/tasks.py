"""How an AceData task is doing, from a look-up or a callback.

There is no status word: a task is finished when its `response` has pictures, an error, or the
record a time of finishing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..parsing import as_object, as_text, is_moderation, parse
from ..wire import (
    Answer,
    Failed,
    Missing,
    Pending,
    Report,
    Succeeded,
    Unavailable,
    UnreadableError,
)
from .responses import REASONS, Error, result_images


def read_lookup(answer: Answer) -> Report:
    """What a task record says; raises UnreadableError where it is none."""
    record = _body(answer)
    if isinstance(record, Unavailable):
        return record
    if not record:
        return Missing(message="no task has this id")
    return _read_record(record)


def read_batch_lookup(answer: Answer) -> Mapping[str, Report] | Unavailable:
    """What each task record says, by the task's id; an item without an id is nobody's."""
    body = _body(answer)
    if isinstance(body, Unavailable):
        return body
    if not isinstance(body.get("items"), list):
        raise UnreadableError("the batch look-up has no items")
    records = map(as_object, body["items"])
    return {as_text(record.get("id")): _read_item(record) for record in records if record}


def _body(answer: Answer) -> dict[str, Any] | Unavailable:
    """The object that a look-up came back with, or the error that came in its place."""
    try:
        body = parse(answer.body)
    except UnreadableError:
        if answer.status == 200:
            raise
        body = {}
    if answer.status != 200 or Error.of(body).word:
        return _unavailable(body, str(answer.status), answer.retry_after_s)
    return body


def _unavailable(
    body: Mapping[str, Any], code: str, retry_after_s: float | None = None
) -> Unavailable:
    error = Error.of(body)
    return Unavailable(code=error.word or code, message=error.message, retry_after_s=retry_after_s)


def _read_item(record: Mapping[str, Any]) -> Report:
    if Error.of(record).word:
        # Beside the response, not in it: the look-up's own error, as in an answer on one task.
        return _unavailable(record, "")
    try:
        return _read_record(record)
    except UnreadableError as error:
        return Unavailable(code=type(error).__name__, message=str(error))


def _read_record(record: Mapping[str, Any]) -> Report:
    task_id, response = as_text(record.get("id")), record.get("response")
    if not task_id:
        raise UnreadableError("the look-up is no task record")
    if response is not None and not isinstance(response, dict):
        raise UnreadableError("the task's response is not an object")
    report = _read_result({"task_id": task_id, **(response or {})})
    if isinstance(report, Pending) and isinstance(record.get("finished_at"), int | float):
        message = "finished without a result"
        return Failed(reason="provider", code="finished", message=message, task_id=report.task_id)
    return report


def read_callback(body: bytes) -> Report:
    """What a callback says; a failure may come without a task id."""
    result = parse(body)
    if "success" not in result and not result.get("error"):
        raise UnreadableError("the callback says neither success nor error")
    return _read_result(result)


def _read_result(result: Mapping[str, Any]) -> Report:
    """What the final body says, which a callback and a record's `response` have in common."""
    task_id = as_text(result.get("task_id")) or None
    success = result.get("success")
    if not isinstance(success, bool | None):
        raise UnreadableError("success is neither true nor false")
    if success is False or result.get("error"):
        return _failure(Error.of(result), task_id)
    if images := result_images(result):
        return Succeeded(images=images, task_id=task_id)
    if result.get("data"):
        raise UnreadableError("the task has results, but no URL among them")
    return Pending(task_id=task_id)


def _failure(error: Error, task_id: str | None) -> Failed:
    reason = "policy" if is_moderation(error.message) else REASONS.get(error.word, "provider")
    code = error.word or "unspecified"
    return Failed(reason=reason, code=code, message=error.message, task_id=task_id)
