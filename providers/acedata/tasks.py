"""The status of an AceData task, from its record or a callback.

There is no status word: a task is finished when its `response` has images or an error, or when
its record has a `finished_at`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..parsing import (
    decode,
    has_content,
    is_moderation,
    parse_object,
    to_bool,
    to_object,
    to_text,
)
from ..wire import (
    Failed,
    MalformedResponseError,
    Pending,
    ProviderResponse,
    StatusUnavailable,
    Succeeded,
    TaskNotFound,
    TaskStatus,
    Unreadable,
)
from .responses import REASONS, ApiError, parse_cost, to_images

TEMPORARY = "temporary"
"""The error of a task that goes on."""


def parse_status_response(response: ProviderResponse) -> TaskStatus:
    """Return the status in a task record; raises MalformedResponseError on any other body."""
    record = _parse_body(response)
    if isinstance(record, StatusUnavailable):
        return record
    if not record:
        return TaskNotFound(message="no task has this id")
    return _parse_record(record)


def parse_batch_status_response(
    response: ProviderResponse,
) -> Mapping[str, TaskStatus] | StatusUnavailable:
    """Return the status in each task record, by task id; an item without an id is left out."""
    body = _parse_body(response)
    if isinstance(body, StatusUnavailable):
        return body
    items = decode(body.get("items"))
    if not isinstance(items, list):
        raise MalformedResponseError("the batch response has no items")
    records = map(to_object, items)
    return {to_text(record.get("id")): _parse_item(record) for record in records if record}


def _parse_body(response: ProviderResponse) -> dict[str, Any] | StatusUnavailable:
    """Return the object in a status response, or the error in its place."""
    try:
        body = parse_object(response.body)
    except MalformedResponseError:
        if response.status == 200:
            raise
        body = {}
    if response.status != 200 or ApiError.parse(body).code:
        return _to_unavailable(body, str(response.status), response.retry_after_s)
    return body


def _to_unavailable(
    body: Mapping[str, Any], code: str, retry_after_s: float | None = None
) -> StatusUnavailable:
    error = ApiError.parse(body)
    return StatusUnavailable(
        code=error.code or code, message=error.message, retry_after_s=retry_after_s
    )


def _parse_item(record: Mapping[str, Any]) -> TaskStatus:
    if ApiError.parse(record).code:
        # Outside of the task's response, this is the status request's own error.
        return _to_unavailable(record, "")
    try:
        status = _parse_record(record)
        if isinstance(status, Unreadable):
            return replace(status, body=json.dumps(record))
        return status
    except (MalformedResponseError, RecursionError) as error:
        return StatusUnavailable(code=type(error).__name__, message=str(error))


def _parse_record(record: Mapping[str, Any]) -> TaskStatus:
    task_id, response = to_text(record.get("id")), decode(record.get("response"))
    if not task_id:
        raise MalformedResponseError("the body is not a task record")
    result = to_object(response)
    if response and not result:
        raise MalformedResponseError("the task's response is not an object")
    status = _parse_result({"task_id": task_id, "cost": record.get("cost"), **result})
    if isinstance(status, Pending) and isinstance(record.get("finished_at"), int | float | str):
        if to_bool(result.get("success")):
            return Unreadable(task_id=status.task_id)
        message = "finished without a result"
        return Failed(reason="provider", code="finished", message=message, task_id=status.task_id)
    return status


def parse_callback(body: bytes) -> TaskStatus:
    """Return the status in a callback; a failure may come without a task id."""
    result = parse_object(body)
    if "success" not in result and not any(map(result.get, ("error", "data", "image_url"))):
        raise MalformedResponseError("the callback has neither success nor error nor images")
    return _parse_result(result)


def _parse_result(result: Mapping[str, Any]) -> TaskStatus:
    """Return the status in a callback or in a record's `response`, which have one shape."""
    task_id = to_text(result.get("task_id")) or None
    success = to_bool(result.get("success"))
    if result.get("error") == TEMPORARY:
        return Pending(task_id=task_id)
    images = to_images(result) if success is not False else ()
    if images:
        return Succeeded(
            images=images,
            task_id=task_id,
            cost=parse_cost(result),
            result_id=to_text(result.get("image_id")),
        )
    if success is None and result.get("success") is not None:
        raise MalformedResponseError("success is neither true nor false")
    if success is False or has_content(result.get("error")):
        return _to_failed(ApiError.parse(result), task_id)
    if decode(result.get("data")):
        return Unreadable(task_id=task_id)
    return Pending(task_id=task_id)


def _to_failed(error: ApiError, task_id: str | None) -> Failed:
    reason = "policy" if is_moderation(error.message) else REASONS.get(error.code, "provider")
    code = error.code or "unspecified"
    return Failed(reason=reason, code=code, message=error.message, task_id=task_id)
