"""What kie.ai's APIs share: the envelope, its codes, the response to a submission.

Many errors arrive as HTTP 200 with another `code` in the body. Source: docs.kie.ai, read 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic.alias_generators import to_camel

from ..parsing import as_int, as_message, as_object, as_text, is_moderation, parse
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
    451: "bad_input",  # the source image could not be fetched
    500: "provider",
    501: "provider",
    505: "provider",  # the feature is switched off
}
"""Documented codes that end a request. 408 is not among them: a silent upstream may yet deliver."""

_Verdict = Literal["rate_limited", "later"] | RefusalReason
_VERDICTS: Mapping[int, _Verdict] = {**REFUSALS, 429: "rate_limited", 455: "later"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """The envelope `{"code": …, "msg": …, "data": …}`; what is absent or odd is None or empty."""

    code: int | None = None
    message: str | None = None
    data: Mapping[str, Any]
    value: object = None
    """`data` as it came, which is not always an object."""
    task_id: str = ""

    @classmethod
    def parse(cls, body: bytes) -> Envelope:
        """Raises MalformedResponseError where `body` is not a JSON object."""
        fields = parse(body)
        data = as_object(fields.get("data"))
        words = [fields.get("msg"), fields.get("message")]
        ids = [data.get("taskId"), data.get("task_id"), fields.get("taskId"), fields.get("task_id")]
        return cls(
            code=as_int(fields.get("code")),
            message=as_message(*words) if any(isinstance(word, str) for word in words) else None,
            data=data,
            value=fields.get("data"),
            task_id=next(filter(None, map(as_text, ids)), ""),
        )


def parse_submit_response(response: ProviderResponse) -> SubmitOutcome:
    """What the answer to any of kie's submissions says."""
    try:
        envelope = Envelope.parse(response.body)
    except MalformedResponseError:
        envelope = Envelope(data={})
    if envelope.task_id and envelope.code == 200:
        return Accepted(task_id=envelope.task_id)
    code = effective_code(response, envelope)
    message = envelope.message or "the answer says nothing that is documented"
    # An error that names a task contradicts itself: the task may be running.
    verdict = None if envelope.task_id else _verdict(response.status, envelope)
    if verdict is None:
        return OutcomeUnknown(code=str(code), message=message)
    if verdict == "rate_limited" or verdict == "later":
        return RetryLater(
            code=str(code),
            message=message,
            rate_limited=verdict == "rate_limited",
            retry_after_s=response.retry_after_s,
        )
    if verdict in ("bad_input", "provider") and is_moderation(message):
        verdict = "policy"
    return Refused(reason=verdict, code=str(code), message=message)


def _verdict(http: int, envelope: Envelope) -> _Verdict | None:
    """What the HTTP status and the body agree on; None where the task may have been taken."""
    if http == 429:
        return "rate_limited"
    if envelope.code is None or envelope.message is None:
        return "later" if http == 503 else None  # a gateway's own page: nothing got through
    by_code = _VERDICTS.get(envelope.code)
    if http == 200:
        return by_code
    by_http = "later" if http == 503 else _VERDICTS.get(http)
    return by_http if envelope.code == http or by_code == by_http else None


def effective_code(response: ProviderResponse, envelope: Envelope) -> int:
    """The HTTP status, unless it is 200 and the body has a code of its own."""
    return response.status if response.status != 200 or envelope.code is None else envelope.code


def camel_case(fields: Mapping[str, object], renamed: Mapping[str, str]) -> dict[str, object]:
    """Our field names as kie writes them; `renamed` holds those that follow no rule."""
    return {renamed.get(name, to_camel(name)): value for name, value in fields.items()}
