"""AceData Cloud's errors, which have a real HTTP status, and the response to a submission.

Source: the official OpenAPI of 2026-08-07, its guides, and the user's document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..inline import find_inline_images
from ..parsing import (
    is_moderation,
    parse_host,
    parse_object,
    to_amount,
    to_bool,
    to_int,
    to_message,
    to_object,
    to_text,
    to_urls,
)
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
    TryOtherVersion,
    make_task_id,
)

REASONS: Mapping[str, RefusalReason] = {
    "api_error": "provider",
    "bad_request": "bad_input",
    "forbidden": "policy",
    "used_up": "credit",
}
"""Error codes that mean the same in every response."""

_KEY_CODES = frozenset(
    {"disabled", "invalid_token", "no_token", "token_expired", "token_mismatched"}
)
"""Codes about the key, whatever the HTTP status of the refusal; some come as a 400."""

_URL_FIELDS = ("image_url", "image_urls", "images", "imageUrl", "url", "urls")

OWN_HOST = "acedata.cloud"
LIFETIME_S = 30 * 24 * 3600
"""How long the URLs on its own hosts live; those of other hosts are not documented."""

_REASONS_BY_STATUS: Mapping[int, RefusalReason] = {
    400: "bad_input",
    401: "auth",
    402: "credit",
    404: "bad_input",
    413: "bad_input",
    422: "bad_input",
}


@dataclass(frozen=True, slots=True)
class ApiError:
    """`{"error": {"code": …, "message": …}}`; `code` is empty if there is no error."""

    code: str
    message: str

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> ApiError:
        """Return the error in any body."""
        error = to_object(body.get("error"))
        words = "the response has no documented message"
        message = to_message(error.get("message"), body.get("error"), words)
        return cls(to_message(error.get("code")), message)

    def to_reason(self, status: int) -> RefusalReason | None:
        """Return why it ends a request; None if the task may have been accepted."""
        if not self.code:
            return None
        if self.code in _KEY_CODES and status in (400, 401, 403):
            return "auth"
        by_code = status in (200, 403, 500)  # only the error's code tells what these mean
        reason = REASONS.get(self.code) if by_code else _REASONS_BY_STATUS.get(status)
        return "policy" if reason and is_moderation(self.message) else reason


def parse_submit_response(response: ProviderResponse, other_version: str | None) -> SubmitOutcome:
    """Return what a submission led to: the body has a task id, the final result, or an error.

    With an `other_version`, a 400 may be about the spelling of the request alone.
    """
    try:
        body = parse_object(response.body)
    except MalformedResponseError:
        body = {}
    task_id, error = to_text(body.get("task_id")), ApiError.parse(body)
    reason = None if to_bool(body.get("success")) else error.to_reason(response.status)
    images = to_images(body) if to_bool(body.get("success")) is not False else ()
    if images and not task_id:  # a final result is a result, also without the id of its task
        task_id = make_task_id(images)
    if task_id and response.status < 300 and reason is None:
        return Accepted(
            task_id=task_id,
            images=images,
            cost=parse_cost(body),
            result_id=to_text(body.get("image_id")),
        )
    code = error.code or str(response.status)
    if not task_id and _is_temporary(response.status, error.code):
        return RetryLater(
            code=code,
            message=error.message,
            rate_limited=response.status == 429,
            retry_after_s=response.retry_after_s,
        )
    if reason is None:
        return OutcomeUnknown(code=code, message=error.message)
    if not task_id and other_version and response.status == 400 and reason == "bad_input":
        return TryOtherVersion(api_version=other_version, code=code, message=error.message)
    return Refused(reason=reason, code=code, message=error.message)


def _is_temporary(status: int, code: str) -> bool:
    return status == 429 or (status == 503 and code in ("", "service_unavailable"))


def parse_cost(body: Mapping[str, Any]) -> Decimal | None:
    """Return what a task cost, which only a final body of some services says."""
    cost = to_object(body.get("cost"))
    is_credit = to_text(cost.get("currency")) in ("", "credit")
    return to_amount(cost.get("amount")) if is_credit else None


def to_images(body: Mapping[str, Any]) -> tuple[ResultImage, ...]:
    """Return the images in a final body, which has them in `data`, or itself as Midjourney's."""
    data = body.get("data")
    urls = to_urls(data, *_URL_FIELDS) or _find_flat_urls(body)
    found = (ResultImage(url=url, lifetime_s=_get_lifetime_s(url)) for url in urls)
    return (*found, *find_inline_images(data))


def _find_flat_urls(body: Mapping[str, Any]) -> list[str]:
    """Return the URLs of a grid in full size, and of its images if they were split."""
    if (to_int(body.get("progress")) or 100) < 100:
        return []  # a preview
    whole = to_urls(body.get("raw_image_url")) or to_urls(body.get("image_url"))
    return [*whole, *to_urls(body.get("sub_image_urls"))]


def _get_lifetime_s(url: str) -> int | None:
    is_own = f".{parse_host(url)}".endswith(f".{OWN_HOST}")
    return LIFETIME_S if is_own else None
