"""The response to a paid request: images, or an error with a real HTTP status.

Source: OpenAI's API reference of 2026, and the error codes of the gateways new-api and LiteLLM.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..inline import find_inline_images
from ..parsing import is_moderation, parse_object, to_message, to_object, to_text, to_urls
from ..wire import (
    Accepted,
    MalformedResponseError,
    OutcomeUnknown,
    ProviderResponse,
    RefusalReason,
    Refused,
    ResultImage,
    RetryLater,
    SubmitOutcome,
    make_task_id,
)

_REASONS: Mapping[int, RefusalReason] = {
    400: "bad_input",
    401: "auth",
    402: "credit",
    403: "auth",
    404: "bad_input",
    405: "bad_input",
    413: "bad_input",
    415: "bad_input",
    422: "bad_input",
}
"""What certainly ends a request; any other error may have come after the images were made."""

_CREDIT_CODES = frozenset(
    {
        "billing_hard_limit_reached",
        "budget_exceeded",
        "insufficient_quota",
        "insufficient_user_quota",
        "pre_consume_token_quota_failed",
    }
)
_POLICY_CODES = frozenset({"content_policy_violation", "moderation_blocked"})
_KEY = re.compile(r"\bsk-[\w*.-]+")


def parse_submit_response(response: ProviderResponse) -> SubmitOutcome:
    """Return what a submission led to; images count, whatever the HTTP status is."""
    try:
        body = parse_object(response.body)
    except MalformedResponseError:
        body = {}
    own_id = to_text(body.get("task_id"))
    if images := _to_images(body.get("data")):
        return Accepted(task_id=own_id or make_task_id(images), images=images)
    error = to_object(body.get("error"))
    codes = [to_text(error.get(name)) for name in ("code", "type")]
    message = _to_message(body, error, response.status)
    code = next(filter(None, codes), "")[:100] or str(response.status)
    if reason := _find_reason(response.status, codes, message):
        return Refused(reason=reason, code=code, message=message)
    # A 503 without an error is that of a proxy, which may have given up on a server at work.
    if (response.status == 429 or (response.status == 503 and error)) and not own_id:
        return RetryLater(
            code=code,
            message=message,
            rate_limited=response.status == 429,
            retry_after_s=response.retry_after_s,
        )
    return OutcomeUnknown(code=code, message=message)


def _find_reason(status: int, codes: Sequence[str], message: str) -> RefusalReason | None:
    """Return why a request was certainly refused for good; None if it may not have been."""
    if status not in _REASONS and status != 429:
        return None
    if not _CREDIT_CODES.isdisjoint(codes):
        return "credit"
    if not _POLICY_CODES.isdisjoint(codes) or is_moderation(message):
        return "policy"
    return _REASONS.get(status)


def _to_images(data: object) -> tuple[ResultImage, ...]:
    return (*(ResultImage(url=url) for url in to_urls(data, "url")), *find_inline_images(data))


def _to_message(body: Mapping[str, Any], error: Mapping[str, Any], status: int) -> str:
    """Return the server's words; gateways spell them in several ways, and some quote the key."""
    usual = f"HTTP {status} without a documented message"
    found = to_message(error.get("message"), body.get("error"), body.get("detail"), usual)
    return _KEY.sub("sk-...", found)
