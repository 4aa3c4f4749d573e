"""The status of a kie.ai task, from a status response or a callback, in three spellings.

Status responses have `successFlag` (older APIs) or `state` (the jobs API); older callbacks
have a code only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal

from ..parsing import is_moderation, parse_host, to_amount, to_int, to_message, to_text, to_urls
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

_URL_FIELDS = ("resultUrls", "resultUrl", "resultImageUrl", "url")
_RESULT_FIELDS = ("info", "response", "resultJson", "resultInfoJson", *_URL_FIELDS)

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
        if envelope.code is None:
            raise MalformedResponseError("the status response has no code")
        # A failed task may put its own code into the envelope.
        if envelope.code == 200 or "state" in envelope.data or "successFlag" in envelope.data:
            return _parse_task(envelope, parse_images)
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
    images = parse_images(envelope.data)
    if not any(image.kind == "result" for image in images):
        # One API may send what another one documents.
        fields = [envelope.data[name] for name in _RESULT_FIELDS if name in envelope.data]
        images = to_images(fields) + images
    if not any(image.kind == "result" for image in images):
        if not envelope.task_id:
            raise MalformedResponseError("the response has neither a task nor a result URL")
        return Unreadable(task_id=envelope.task_id)
    return Succeeded(
        images=images, task_id=envelope.task_id or None, cost=_parse_cost(envelope.data)
    )


def _parse_state(envelope: Envelope) -> _State:
    state: _State | None
    if "state" in envelope.data:
        state = _STATES.get(to_text(envelope.data["state"]).strip().lower())
    elif "successFlag" in envelope.data:
        state = _FLAGS.get(to_int(envelope.data["successFlag"]))
    elif envelope.code in REFUSALS:
        state = "failed"
    else:
        state = "succeeded" if envelope.code == 200 else None
    if state is None:
        raise MalformedResponseError("the task's state is not a documented one")
    return state


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
