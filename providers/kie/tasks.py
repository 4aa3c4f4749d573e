"""How a kie.ai task is doing, from a look-up or a callback, in each of its three spellings.

Look-ups carry `successFlag` (older APIs) or `state` (unified jobs); older callbacks only a code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from ..parsing import as_int, as_list, as_message, as_text, as_url, host_of, is_moderation
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
)
from .responses import REFUSALS, Envelope, effective_code

RESULT_LIFETIME_S = 14 * 86400
"""Of the media on kie's own hosts; what lies elsewhere lives as long as its host likes."""
_HOSTS = (".aiquickdraw.com",)

ReadImages = Callable[[Mapping[str, Any]], tuple[ResultImage, ...]]

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
    2: "failed",  # the task could not be made
    3: "failed",  # the pictures could not be made
    4: "succeeded",  # only the callback failed
}
_NO_SUCH_TASK = re.compile(
    r"recordInfo is null|record does not exist|task not found", re.IGNORECASE
)


def parse_status_response(response: ProviderResponse, images: ReadImages) -> TaskStatus:
    """What a look-up says; `images` finds a product's pictures in `data`."""
    try:
        envelope = Envelope.parse(response.body)
    except MalformedResponseError:
        if response.status == 200:
            raise
        envelope = Envelope(data={})
    if response.status == 200:
        if envelope.code is None:
            raise MalformedResponseError("the look-up has no code")
        # A failed task may bring its own code up into the envelope.
        if envelope.code == 200 or "state" in envelope.data or "successFlag" in envelope.data:
            return _read_task(envelope, images)
    message = envelope.message or "the look-up failed without a reason"
    if _NO_SUCH_TASK.search(message):
        return TaskNotFound(message=message)
    return StatusUnavailable(
        code=str(effective_code(response, envelope)),
        message=message,
        retry_after_s=response.retry_after_s,
    )


def parse_callback(body: bytes, images: ReadImages) -> TaskStatus:
    """What a callback says; raises MalformedResponseError where it names no task."""
    envelope = Envelope.parse(body)
    if not envelope.task_id:
        raise MalformedResponseError("the callback names no task")
    return _read_task(envelope, images)


def result_images(urls: object) -> tuple[ResultImage, ...]:
    """The pictures in a `resultUrls` list of strings, or of objects with a `resultUrl`."""
    found = [as_url(u.get("resultUrl") if isinstance(u, dict) else u) for u in as_list(urls)]
    return tuple(ResultImage(url=url, lifetime_s=_lifetime_s(url)) for url in found if url)


def _lifetime_s(url: str) -> int | None:
    return RESULT_LIFETIME_S if host_of(url).endswith(_HOSTS) else None


def _read_task(envelope: Envelope, images: ReadImages) -> TaskStatus:
    state = _state(envelope)
    if state == "pending":
        return Pending(task_id=envelope.task_id or None)
    if state == "failed":
        return _failure(envelope)
    found = images(envelope.data)
    if not any(image.kind == "result" for image in found):
        raise MalformedResponseError("the task succeeded, but no result URL was found")
    return Succeeded(images=found, task_id=envelope.task_id or None)


def _state(envelope: Envelope) -> _State:
    state: _State | None
    if "state" in envelope.data:
        state = _STATES.get(as_text(envelope.data["state"]))
    elif "successFlag" in envelope.data:
        state = _FLAGS.get(as_int(envelope.data["successFlag"]))
    elif envelope.code in REFUSALS:
        state = "failed"
    else:
        state = "succeeded" if envelope.code == 200 else None
    if state is None:
        raise MalformedResponseError("the task's state is none of those documented")
    return state


def _failure(envelope: Envelope) -> Failed:
    data = envelope.data
    # A look-up that worked says so in the envelope, which then tells nothing about the task.
    outer = (None, None) if envelope.code == 200 else (envelope.code, envelope.message)
    code = as_message(data.get("failCode"), data.get("errorCode"), outer[0], "unspecified")
    message = as_message(
        data.get("failMsg"), data.get("errorMessage"), outer[1], "failed without a reason"
    )
    reason: RefusalReason = "bad_input" if code == "422" else "provider"
    if code == "400" or is_moderation(message):
        reason = "policy"
    return Failed(reason=reason, code=code, message=message, task_id=envelope.task_id or None)
