"""What an account at a vendor is: its settings, its authentication, its callback signature."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from ..field_types import BaseURL, OptionalSecret
from .wire import ProviderRequest, ProviderResponse, Refused, StatusUnavailable


class SignatureError(Exception):
    """The callback's signature is missing, expired or wrong; the message says which."""


class Account(BaseModel, ABC):
    """An account that several providers of one vendor may share.

    Each field is a setting: `api_key` of the account `kie` is `IMAGEQUEUE_KIE_API_KEY`.
    A subclass gives every field a default and a description.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    name: ClassVar[str]
    signature_headers: ClassVar[tuple[str, ...]] = ()
    """The callback headers that `verify_callback` reads, in lower case; no others are stored."""

    api_key: OptionalSecret
    base_url: BaseURL

    @property
    def key(self) -> str:
        """The API key in plain text; empty if it is not set."""
        return self.api_key.get_secret_value() if self.api_key else ""

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate a request."""
        return {"Authorization": f"Bearer {self.key}"}

    def api_versions(self) -> Mapping[str, str]:
        """Return the API version of each provider whose version these settings fix."""
        return {}

    def verify_callback(
        self, headers: Mapping[str, str], body: bytes, task_id: str, received_at: datetime
    ) -> None:
        """Raise SignatureError unless the vendor signed this callback; by default, none signs."""


class UploadAccount(Account):
    """An account that also takes input images, with the same key."""

    upload_url: BaseURL


class CreditAccount(Account):
    """An account that reports its credit, free of charge."""

    @abstractmethod
    def build_credit_request(self) -> ProviderRequest:
        """Build the request for the credit that is left."""

    @abstractmethod
    def parse_credit_response(
        self, response: ProviderResponse
    ) -> float | Refused | StatusUnavailable:
        """Return the credit in the vendor's unit, or why there is none; `Refused`: the key."""
