"""The account at kie.ai: one key, one credit and one callback signature for all of its APIs.

Source: docs.kie.ai/common-api (quickstart, webhook-verification), read 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import Field

from ...field_types import BaseURL, OptionalSecret, Secrets
from ..account import CreditAccount, SignatureError, UploadAccount
from ..wire import (
    MalformedResponseError,
    ProviderRequest,
    ProviderResponse,
    Refused,
    StatusUnavailable,
)
from .responses import Envelope, get_code
from .signature import is_recent, is_signed

_TIMESTAMP, _SIGNATURE = "x-webhook-timestamp", "x-webhook-signature"


class KieAccount(UploadAccount, CreditAccount):
    """Callbacks are signed once the user has asked for it at kie.ai/settings."""

    name = "kie"
    credit_usd = Decimal("0.005")
    signature_headers = (_TIMESTAMP, _SIGNATURE)

    api_key: OptionalSecret = Field(None, description="Your key at kie.ai.")
    base_url: BaseURL = Field("https://api.kie.ai", description="kie.ai's address.")
    upload_url: BaseURL = Field(
        "https://kieai.redpandaai.co", description="Where kie takes input images."
    )
    flux_api: Literal["legacy", "jobs"] = Field(
        "legacy", description="The version of kie's Flux Kontext API that new jobs are sent in."
    )
    webhook_hmac_key: Secrets = Field(
        (),
        description="If set, kie callbacks with a missing or invalid signature are quarantined; "
        "comma-separated: all verify.",
    )

    def api_versions(self) -> Mapping[str, str]:
        """Only Flux Kontext has two versions; nothing in a response tells which one is better."""
        return {"kie-flux-kontext": self.flux_api}

    def build_credit_request(self) -> ProviderRequest:
        """`GET /api/v1/chat/credit`."""
        return ProviderRequest(method="GET", path="/api/v1/chat/credit")

    def parse_credit_response(
        self, response: ProviderResponse
    ) -> float | Refused | StatusUnavailable:
        """`data` is the number of credits; most errors come inside of an HTTP 200."""
        try:
            envelope = Envelope.parse(response.body)
        except MalformedResponseError:
            envelope = Envelope(data={})
        code, message = get_code(response, envelope), envelope.message or ""
        if code in (401, 403):
            return Refused(reason="auth", code=str(code), message=message)
        if code == 200 and isinstance(envelope.value, int | float):
            return envelope.value
        return StatusUnavailable(code=str(code), message=message)

    def verify_callback(
        self, headers: Mapping[str, str], body: bytes, task_id: str, received_at: datetime
    ) -> None:
        """The signature covers the task id and the time, but not the body."""
        if not self.webhook_hmac_key:
            return
        timestamp = headers.get(_TIMESTAMP, "")
        if not is_recent(timestamp, received_at):
            raise SignatureError("the signature's time is missing or outside its window")
        signature = headers.get(_SIGNATURE, "")
        keys = (secret.get_secret_value() for secret in self.webhook_hmac_key)
        if not any(is_signed(key, task_id, timestamp, signature) for key in keys):
            raise SignatureError("the signature does not match")
