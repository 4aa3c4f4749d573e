"""The envelope of kie.ai's responses, its codes, and the response to a submission.

Many errors arrive as HTTP 200 with another `code` in the body. Source: docs.kie.ai, read 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic.alias_generators import to_camel

from ..parsing import is_moderation, parse_object, to_int, to_message, to_object, to_text
from ..wire import (
    Accepted,
    MalformedResponseError,
    OutcomeUnknown,
    ProviderResponse,
    RefusalReason,
    Refused,
    RetryLater,
    SubmitOutcome,
)

REFUSALS: Mapping[int, RefusalReason] = {
    400: "bad_input",
    401: "auth",
    402: "credit",
    404: "bad_input",
    413: "bad_input",
    422: "bad_input",
    433: "credit",  # the limit set on a sub-key
    451: "bad_input",  # INPUT_NOT_FETCHED
    500: "provider",
    501: "provider",
    505: "provider",  # the feature is switched off
}
"""Codes that end a request.

408 is missing, as a silent upstream may still finish the task, and so are 409, 531 and 550, which
were seen and are not documented.
"""

INPUT_NOT_FETCHED = 451

_IP_REFUSED = re.compile(r"\bip\b.*white ?-?list|white ?-?list.*\bip\b", re.IGNORECASE)

_TASK_FIELDS = frozenset({"state", "successFlag", "resultUrls", "resultJson"})
"""Fields of `data` that say what a response without `data` is about."""

NO_MESSAGE = "the response has no documented message"

_Meaning = Literal["rate_limited", "later"] | RefusalReason
_MEANINGS: Mapping[int, _Meaning] = {**REFUSALS, 429: "rate_limited", 455: "later"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """The envelope `{"code": …, "msg": …, "data": …}`; an absent or odd field is None or empty."""

    code: int | None = None
    message: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    value: object = None
    """`data` as it came, which is not always an object."""
    task_id: str = ""

    @classmethod
    def parse(cls, body: bytes) -> Envelope:
        """Return the envelope; raises MalformedResponseError if `body` is not a JSON object."""
        fields = parse_object(body)
        data = to_object(fields.get("data")) or (fields if _TASK_FIELDS & fields.keys() else {})
        messages = [fields.get("msg"), fields.get("message")]
        ids = [data.get("taskId"), data.get("task_id"), fields.get("taskId"), fields.get("task_id")]
        return cls(
            code=to_int(fields.get("code")),
            message=to_message(*messages) if any(isinstance(m, str) for m in messages) else None,
            data=data,
            value=fields.get("data"),
            task_id=next(filter(None, map(to_text, ids)), ""),
        )


def parse_submit_response(response: ProviderResponse) -> SubmitOutcome:
    """Return what a submission led to; an undocumented body is `OutcomeUnknown`."""
    try:
        envelope = Envelope.parse(response.body)
    except MalformedResponseError:
        envelope = Envelope()
    is_ok = envelope.code == 200 or (envelope.code is None and response.status == 200)
    if envelope.task_id and is_ok:
        return Accepted(task_id=envelope.task_id)
    code = get_code(response, envelope)
    message = envelope.message or NO_MESSAGE
    # An error that names a task contradicts itself: the task may be running.
    meaning = None if envelope.task_id else _find_meaning(response.status, envelope)
    if meaning is None:
        return OutcomeUnknown(code=str(code), message=message)
    if meaning == "rate_limited" or meaning == "later":
        return RetryLater(
            code=str(code),
            message=message,
            rate_limited=meaning == "rate_limited",
            retry_after_s=response.retry_after_s,
        )
    if meaning in ("bad_input", "provider") and is_moderation(message):
        meaning = "policy"
    return Refused(
        reason=meaning,
        code=str(code),
        message=message,
        input_not_fetched=code == INPUT_NOT_FETCHED and meaning == "bad_input",
    )


def _find_meaning(status: int, envelope: Envelope) -> _Meaning | None:
    """Return what HTTP status and body agree on; None if the task may have been accepted."""
    if status == 429:
        return "rate_limited"
    if envelope.code is None or envelope.message is None:
        return "later" if status == 503 else None  # a gateway's error page: nothing got through
    if envelope.code == 403:
        # The key may be limited to the IP addresses on a list; no other 403 is documented.
        return "auth" if _IP_REFUSED.search(envelope.message) else None
    by_code = _MEANINGS.get(envelope.code)
    if status == 200:
        return by_code
    by_status = "later" if status == 503 else _MEANINGS.get(status)
    return by_status if envelope.code == status or by_code == by_status else None


def parse_envelope(response: ProviderResponse) -> Envelope:
    """Return the envelope; a gateway's error page has none, and its HTTP status is enough.

    Raises MalformedResponseError if the status is 200 and the body is not a JSON object.
    """
    try:
        return Envelope.parse(response.body)
    except MalformedResponseError:
        if response.status == 200:
            raise
        return Envelope()


def get_code(response: ProviderResponse, envelope: Envelope) -> int:
    """Return the HTTP status, or the body's code if the status is 200."""
    return response.status if response.status != 200 or envelope.code is None else envelope.code


def to_camel_case(fields: Mapping[str, object], renamed: Mapping[str, str]) -> dict[str, object]:
    """Rename fields as kie spells them; `renamed` has those that are not plain camelCase."""
    return {renamed.get(name, to_camel(name)): value for name, value in fields.items()}
