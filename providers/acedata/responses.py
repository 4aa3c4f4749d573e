"""What AceData Cloud's APIs share: errors with a real HTTP status, the answer to a submission.

Source: the official OpenAPI of 2026-08-07, its guides, and the user's document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..parsing import as_list, as_message, as_object, as_text, as_url, is_moderation, parse
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
)

REASONS: Mapping[str, RefusalReason] = {
    "api_error": "provider",
    "bad_request": "bad_input",
    "forbidden": "policy",
    "used_up": "credit",
}
"""Error codes that mean the same wherever they stand."""

_REASONS_BY_STATUS: Mapping[int, RefusalReason] = {
    400: "bad_input",
    401: "auth",
    402: "credit",
    404: "bad_input",
    413: "bad_input",
    422: "bad_input",
}


@dataclass(frozen=True, slots=True)
class Error:
    """`{"error": {"code": …, "message": …}}`; an empty `word` where there is none."""

    word: str
    message: str

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Error:
        """The error in any body."""
        error = as_object(body.get("error"))
        message = as_message(error.get("message"), "no documented reason was given")
        return cls(as_message(error.get("code")), message)

    def refusal(self, http: int) -> RefusalReason | None:
        """Why it ends a request; None where the task may have been taken."""
        if not self.word:
            return None
        by_word = http in (200, 403, 500)  # what these mean is in the error's code
        reason = REASONS.get(self.word) if by_word else _REASONS_BY_STATUS.get(http)
        return "policy" if reason and is_moderation(self.message) else reason


def parse_submit_response(response: ProviderResponse, other_version: str | None) -> SubmitOutcome:
    """What the answer to a submission says: a task id, the final body, or an error.

    A 400 may be about wording alone where there is an `other_version` to try.
    """
    try:
        body = parse(response.body)
    except MalformedResponseError:
        body = {}
    task_id, error = as_text(body.get("task_id")), Error.of(body)
    reason = None if body.get("success") is True else error.refusal(response.status)
    if task_id and response.status < 300 and reason is None:
        return Accepted(task_id=task_id, images=result_images(body))
    code = error.word or str(response.status)
    if not task_id and _is_for_now(response.status, error.word):
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


def _is_for_now(http: int, word: str) -> bool:
    return http == 429 or (http == 503 and word in ("", "service_unavailable"))


def result_images(body: Mapping[str, Any]) -> tuple[ResultImage, ...]:
    """The pictures in a final body; none where it is not final. How long they live nobody says."""
    urls = (as_url(as_object(entry).get("image_url")) for entry in as_list(body.get("data")))
    return tuple(ResultImage(url=url) for url in urls if url)
