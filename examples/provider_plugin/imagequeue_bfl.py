"""Black Forest Labs' own API as a provider of imagequeue: images from a prompt, and edits.

Source: docs.bfl.ai (get-result, integration guidelines, errors) and the vendor's own
`webhook-integration.md`, read 2026. Nothing was called live.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal

from pydantic import Field

from imagequeue.errors import Problem
from imagequeue.field_types import BaseURL, OptionalSecret
from imagequeue.providers.account import Account, SignatureError
from imagequeue.providers.base import ImageURL, Prompt, Provider, Request, RequestForm
from imagequeue.providers.limits import ProviderLimits
from imagequeue.providers.parsing import (
    is_moderation,
    parse_object,
    to_amount,
    to_message,
    to_object,
    to_text,
    to_url,
)
from imagequeue.providers.wire import (
    Accepted,
    Failed,
    MalformedResponseError,
    OutcomeUnknown,
    Pending,
    ProviderRequest,
    ProviderResponse,
    RefusalReason,
    Refused,
    ResultImage,
    RetryLater,
    StatusUnavailable,
    SubmitOutcome,
    Succeeded,
    TaskNotFound,
    TaskStatus,
    Unreadable,
)

SIGNATURE = "x-bfl-signature"
RESULT_LIFETIME_S = 600
MAX_PIXELS = 2048 * 2048
PENDING = ("Pending", "Reasoning", "Generating")
MODERATED = ("Request Moderated", "Content Moderated")
FAILED = ("Error", "Failed")
CREDITS = {"by": {"model": {"flux-kontext-pro": 4, "flux-kontext-max": 8}}}
PRICE = "4 or 8 credits an image with Kontext, by pixels with flux-2-pro"
REASONS: Mapping[int, RefusalReason] = {
    400: "bad_input",
    401: "auth",
    402: "credit",
    403: "auth",
    422: "bad_input",
}
"""Why a request was refused, by the HTTP status of an answer with a `detail`."""

_REGION = re.compile(r"https://api\.([a-z]{2}[0-9]?)\.bfl\.ai/v1/get_result\?.*")


class BflAccount(Account):
    """A callback is signed with the secret that its request has."""

    name = "bfl"
    credit_usd = Decimal("0.01")
    signature_headers = (SIGNATURE,)

    api_key: OptionalSecret = Field(None, description="Your key at Black Forest Labs.")
    base_url: BaseURL = Field("https://api.bfl.ai", description="The address of its API.")
    webhook_secret: OptionalSecret = Field(
        None, description="If set, callbacks are signed with it, and others are quarantined."
    )

    def headers(self) -> dict[str, str]:
        """The key has a header of its own."""
        return {"x-key": self.key}

    def complete_request(self, request: ProviderRequest) -> ProviderRequest:
        """Send the secret beside the callback URL."""
        if not (self.webhook_secret and request.body and "webhook_url" in request.body):
            return request
        secret = {"webhook_secret": self.webhook_secret.get_secret_value()}
        return replace(request, body={**request.body, **secret})

    def verify_callback(
        self, headers: Mapping[str, str], body: bytes, task_id: str, received_at: datetime
    ) -> None:
        """The signature is `sha256=` and the HMAC of the body."""
        if not self.webhook_secret:
            return
        key = self.webhook_secret.get_secret_value().encode()
        expected = f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}"
        if not hmac.compare_digest(expected.encode(), headers.get(SIGNATURE, "").encode()):
            raise SignatureError("the signature is missing or does not match")


class Generate(Request):
    """An image from a prompt."""

    prompt: Prompt = Field(description="What to draw.")
    model: Literal["flux-2-pro", "flux-kontext-pro", "flux-kontext-max"] = Field(
        "flux-2-pro", description="The model; the vendor recommends flux-2-pro."
    )
    width: int | None = Field(
        None, ge=64, le=4096, multiple_of=16, description="Pixels; flux-2-pro only."
    )
    height: int | None = Field(
        None, ge=64, le=4096, multiple_of=16, description="Pixels; flux-2-pro only."
    )
    aspect_ratio: str | None = Field(
        None, pattern=r"^[0-9]{1,2}:[0-9]{1,2}$", description="Such as 16:9; Kontext only."
    )
    seed: int | None = Field(None, ge=0, description="The same seed gives the same image.")
    output_format: Literal["jpeg", "png"] | None = Field(None, description="Default jpeg.")
    prompt_upsampling: bool | None = Field(
        None, description="Let the model rewrite the prompt; Kontext only."
    )
    safety_tolerance: int | None = Field(
        None, ge=0, le=6, description="0 is the strictest; default 2."
    )

    def find_conflicts(self) -> Sequence[Problem]:
        """Check what only one family of models takes."""
        is_kontext = self.model.startswith("flux-kontext")
        foreign = ("width", "height") if is_kontext else ("aspect_ratio", "prompt_upsampling")
        problems = [
            Problem(f"params.{name}", f"{self.model} does not take it")
            for name in foreign
            if getattr(self, name) is not None
        ]
        if (self.width or 1024) * (self.height or 1024) > MAX_PIXELS:
            problems.append(Problem("params.width", f"at most {MAX_PIXELS} pixels in all"))
        return problems


class Edit(Generate):
    """One to four images, changed or combined as the prompt says."""

    image_urls: list[ImageURL] = Field(
        min_length=1, max_length=4, description="The images to start from."
    )


class BlackForestLabs(Provider):
    """One path for each model; a task is asked about in the region that has it."""

    name = "bfl"
    account = BflAccount
    limits = ProviderLimits(max_in_flight=24)
    actions: ClassVar[Mapping[str, type[Request]]] = {"generate": Generate, "edit": Edit}
    # Most images take 5 to 20 seconds, and their URLs live for ten minutes.
    first_poll_s = 15

    def list_forms(self) -> Iterator[RequestForm]:
        """The price is the same for both actions."""
        for action, kind in self.actions.items():
            yield RequestForm(action, kind, price=PRICE, credits=CREDITS)

    def estimate(self, action: str, request: Request) -> Decimal | None:
        """Return the price of a Kontext model; that of flux-2-pro depends on the pixels."""
        price = CREDITS["by"]["model"].get(getattr(request, "model", ""))
        return None if price is None else Decimal(price)

    def build_submit_request(
        self, request: Request, callback_url: str | None, api_version: str
    ) -> ProviderRequest:
        """`POST /v1/{model}`."""
        body = request.model_dump(exclude_none=True)
        model, urls = body.pop("model"), body.pop("image_urls", [])
        names = ["input_image", *(f"input_image_{n}" for n in range(2, len(urls) + 1))]
        body |= dict(zip(names, urls, strict=False))
        if callback_url:
            body["webhook_url"] = callback_url
        return ProviderRequest(method="POST", path=f"/v1/{model}", body=body)

    def parse_submit_response(self, response: ProviderResponse, api_version: str) -> SubmitOutcome:
        """Return what a submission led to; only an answer with a `detail` is a refusal."""
        code = str(response.status)
        try:
            body = parse_object(response.body)
        except MalformedResponseError:
            body = {}
        message = _to_message(body)
        if task_id := to_text(body.get("id")):
            if response.status != 200:
                return OutcomeUnknown(code=code, message=f"an error with a task: {message}"[:300])
            region = _REGION.fullmatch(to_text(body.get("polling_url")))
            return Accepted(
                task_id=f"{task_id}@{region[1]}" if region else task_id,
                cost=to_amount(body.get("cost")),
            )
        if response.status == 429:
            return RetryLater(
                code=code,
                message=message,
                rate_limited=True,
                retry_after_s=response.retry_after_s,
            )
        if "detail" not in body or response.status not in REASONS:
            return OutcomeUnknown(code=code, message=message)
        reason = "policy" if is_moderation(message) else REASONS[response.status]
        return Refused(reason=reason, code=code, message=message)

    def build_status_request(self, task_id: str, api_version: str) -> ProviderRequest:
        """`GET /v1/get_result`, in the task's region: no other has it."""
        name, _, region = task_id.partition("@")
        base_url = f"https://api.{region}.bfl.ai" if region else ""
        return ProviderRequest(
            method="GET", path="/v1/get_result", query={"id": name}, base_url=base_url
        )

    def parse_status_response(self, response: ProviderResponse, api_version: str) -> TaskStatus:
        """Return a task's status; an error without one says nothing about the task."""
        try:
            body = parse_object(response.body)
        except MalformedResponseError:
            if response.status == 200:
                raise
            body = {}
        if body.get("status") == "Task not found":
            return TaskNotFound(message="no task has this id")
        if response.status != 200:
            return StatusUnavailable(
                code=str(response.status),
                message=_to_message(body),
                retry_after_s=response.retry_after_s,
            )
        return _parse_status(body)

    def parse_callback(self, body: bytes) -> TaskStatus:
        """A callback has the body of a status response."""
        return _parse_status(parse_object(body))


def _parse_status(body: Mapping[str, Any]) -> TaskStatus:
    task_id, status, message = to_text(body.get("id")), body.get("status"), _to_message(body)
    if not task_id:
        raise MalformedResponseError("the body names no task")
    if status in PENDING:
        return Pending(task_id=task_id)
    if status == "Ready":
        url = to_url(to_object(body.get("result")).get("sample"))
        if not url:
            return Unreadable(task_id=task_id)
        image = ResultImage(url=url, lifetime_s=RESULT_LIFETIME_S)
        return Succeeded(images=(image,), task_id=task_id)
    if status in MODERATED or status in FAILED:
        is_policy = status in MODERATED or is_moderation(message)
        reason: RefusalReason = "policy" if is_policy else "provider"
        return Failed(reason=reason, code=str(status), message=message, task_id=task_id)
    raise MalformedResponseError("the body has no documented status")


def _to_message(body: Mapping[str, Any]) -> str:
    """Return the vendor's words; a `detail` may be a text, or a list of errors with a `msg`."""
    detail = body.get("detail")
    first = to_object(detail[0]) if isinstance(detail, list) and detail else {}
    words = (first.get("msg"), detail, body.get("message"), body.get("error"), body.get("status"))
    return to_message(*words, "the response has no documented message")
