"""The account at the third vendor: its own key header, and a signature over the whole body."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from pydantic import Field

from imagequeue.field_types import BaseURL, OptionalSecret
from imagequeue.providers.account import CreditAccount, SignatureError
from imagequeue.providers.parsing import parse_object
from imagequeue.providers.wire import (
    ProviderRequest,
    ProviderResponse,
    Refused,
    StatusUnavailable,
)


class ThirdAccount(CreditAccount):
    name = "third"
    signature_headers = ("x-third-signature",)

    api_key: OptionalSecret = Field(None, description="Your key at the third vendor.")
    base_url: BaseURL = Field("https://api.third.example", description="The third vendor.")
    callback_key: OptionalSecret = Field(
        None, description="Verifies its callbacks; if unset, the API key."
    )

    def headers(self) -> dict[str, str]:
        return {"x-key": self.key}

    def complete_request(self, request: ProviderRequest) -> ProviderRequest:
        if not self.callback_key or not request.body or "webhook" not in request.body:
            return request
        secret = self.callback_key.get_secret_value()
        return replace(request, body={**request.body, "webhook_secret": secret})

    def build_credit_request(self) -> ProviderRequest:
        return ProviderRequest(method="GET", path="/credit")

    def parse_credit_response(
        self, response: ProviderResponse
    ) -> float | Refused | StatusUnavailable:
        return float(parse_object(response.body)["credit"])

    def verify_callback(
        self, headers: Mapping[str, str], body: bytes, task_id: str, received_at: datetime
    ) -> None:
        key = self.callback_key.get_secret_value() if self.callback_key else self.key
        expected = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, headers.get("x-third-signature", "")):
            raise SignatureError("the signature does not match")
