"""The status of a kie.ai task, from a status response or a callback, in three spellings.

Status responses have `successFlag` (older APIs) or `state` (the jobs API); older callbacks
have a code only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal

from ..parsing import (
    find_urls,
    is_moderation,
    parse_host,
    to_amount,
    to_bool,
    to_int,
    to_message,
    to_text,
    to_urls,
)
from ..wire import (
    Failed,
    MalformedResponseError,
    Pending,
    ProviderResponse,
    RefusalReason,
    ResultImage,
    StatusUnavailable,
    Succeeded,
    TaskNotFound,
    TaskStatus,
    Unreadable,
)
from .responses import REFUSALS, Envelope, get_code, parse_envelope

RESULT_LIFETIME_S = 14 * 86400
"""How long media live on kie's own hosts; other hosts document nothing."""
_HOSTS = (".aiquickdraw.com",)

_URL_FIELDS = ("resultUrls", "result_urls", "resultUrl", "resultImageUrl", "url")
_OWN_FIELDS = ("resultJson", "resultInfoJson", *_URL_FIELDS)
"""They have nothing but results, whatever the names below them."""
_RESULT_FIELDS = ("info", "response", *_OWN_FIELDS)

ParseImages = Callable[[Mapping[str, Any]], tuple[ResultImage, ...]]

_State = Literal["pending", "succeeded", "failed"]
_STATES: Mapping[str, _State] = {
    "waiting": "pending",
    "queuing": "pending",
    "generating": "pending",
    "success": "succeeded",
    "fail": "failed",
}
_FLAGS: Mapping[int | None, _State] = {
    0: "pending",
    1: "succeeded",
    2: "failed",  # the task could not be created
    3: "failed",  # the images could not be generated
    4: "succeeded",  # only the callback failed
}
_NO_SUCH_TASK = re.compile(
    r"recordInfo is null|record does not exist|task not found", re.IGNORECASE
)


def parse_status_response(response: ProviderResponse, parse_images: ParseImages) -> TaskStatus:
    """Return a task's status; `parse_images` finds an API's images in `data`."""
    envelope = parse_envelope(response)
    if response.status == 200:
        states = (envelope.data.get("state"), envelope.data.get("successFlag"))
        # A failed task may put its own code into the envelope.
        if envelope.code == 200 or states != (None, None):
            return _parse_task(envelope, parse_images)
        if envelope.code is None:
            raise MalformedResponseError("the status response has no code")
    message = envelope.message or "the status request failed without a reason"
    if _NO_SUCH_TASK.search(message):
        return TaskNotFound(message=message)
    return StatusUnavailable(
        code=str(get_code(response, envelope)),
        message=message,
        retry_after_s=response.retry_after_s,
        may_be_final=envelope.code == 501 and not envelope.data,
    )


def parse_callback(body: bytes, parse_images: ParseImages) -> TaskStatus:
    """Return the status in a callback; raises MalformedResponseError if it names no task."""
    envelope = Envelope.parse(body)
    if not envelope.task_id:
        raise MalformedResponseError("the callback names no task")
    return _parse_task(envelope, parse_images)


def to_images(urls: object) -> tuple[ResultImage, ...]:
    """Return the images of URLs in any of the shapes that kie has sent them in."""
    found = to_urls(urls, *_URL_FIELDS)
    return tuple(ResultImage(url=url, lifetime_s=_find_lifetime_s(url)) for url in found)


def _find_lifetime_s(url: str) -> int | None:
    return RESULT_LIFETIME_S if parse_host(url).endswith(_HOSTS) else None


def _parse_task(envelope: Envelope, parse_images: ParseImages) -> TaskStatus:
    state = _parse_state(envelope)
    if state == "pending":
        return Pending(task_id=envelope.task_id or None)
    if state == "failed":
        return _to_failed(envelope)
    images = _find_images(envelope.data, parse_images)
    has_result = any(image.kind == "result" for image in images)
    if state is None and not has_result:
        raise MalformedResponseError("the task's state is not a documented one")
    if not has_result:
        if not envelope.task_id:
            raise MalformedResponseError("the response has neither a task nor a result URL")
        return Unreadable(task_id=envelope.task_id)
    return Succeeded(
        images=images, task_id=envelope.task_id or None, cost=_parse_cost(envelope.data)
    )


def _find_images(data: Mapping[str, Any], parse_images: ParseImages) -> tuple[ResultImage, ...]:
    images = parse_images(data)
    if any(image.kind == "result" for image in images):
        return images
    # One API may send what another one documents, or use other names.
    listed = to_images([data[name] for name in _RESULT_FIELDS if name in data])
    return (listed or to_images(find_urls([data.get(name) for name in _OWN_FIELDS]))) + images


def _parse_state(envelope: Envelope) -> _State | None:
    """Return the state; None if it is not a documented one, but there may be images."""
    state, flag = envelope.data.get("state"), envelope.data.get("successFlag")
    if state is not None:
        return _STATES.get(to_text(state).lower())
    if flag is not None:
        return _FLAGS.get(1 if to_bool(flag) else to_int(flag))
    if {"state", "successFlag"} & envelope.data.keys():
        return None
    if envelope.code in REFUSALS:
        return "failed"
    if envelope.code not in (200, None):
        raise MalformedResponseError("the code is not a documented one")
    return None if envelope.code is None else "succeeded"


def _to_failed(envelope: Envelope) -> Failed:
    data = envelope.data
    # With code 200 the envelope is about the status request, not about the task.
    outer = (None, None) if envelope.code == 200 else (envelope.code, envelope.message)
    code = to_message(data.get("failCode"), data.get("errorCode"), outer[0], "unspecified")
    message = to_message(
        data.get("failMsg"), data.get("errorMessage"), outer[1], "failed without a reason"
    )
    reason: RefusalReason = "bad_input" if code in ("400", "422") else "provider"
    # The jobs API has the code 400 for invalid parameters, too; the older ones for policy alone.
    if is_moderation(message) or (code == "400" and "state" not in data):
        reason = "policy"
    return Failed(
        reason=reason,
        code=code,
        message=message,
        task_id=envelope.task_id or None,
        cost=_parse_cost(data),
    )


def _parse_cost(data: Mapping[str, Any]) -> Decimal | None:
    """Return the credits that a task used; a callback seen in 2025 had the second name."""
    amount = to_amount(data.get("creditsConsumed"))
    return to_amount(data.get("consumeCredits")) if amount is None else amount
