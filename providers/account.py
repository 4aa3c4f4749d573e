"""What an account at a vendor is: its settings, its authentication, its callback signature."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from ..field_types import BaseURL, OptionalSecret, SecondsList
from .account_keys import MAIN, AccountKey, AccountKeys
from .limits import MaxCount, ProviderLimits, RateLimit
from .wire import ProviderRequest, ProviderResponse, Refused, StatusUnavailable


class SignatureError(Exception):
    """The callback's signature is missing, expired or wrong; the message says which."""


class Account(BaseModel, ABC):
    """An account that several providers of one vendor may share.

    Each field is a setting: `api_key` of the account `kie` is `IMAGEQUEUE_KIE_API_KEY`.
    A subclass gives every field that has none a default and a description.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    name: ClassVar[str]
    credit_usd: ClassVar[Decimal | None] = None
    """What one of its credits costs in dollars; None if that is not known."""
    signature_headers: ClassVar[tuple[str, ...]] = ()
    """The callback headers that `verify_callback` reads, in lower case; no others are stored."""

    api_key: OptionalSecret
    api_keys: AccountKeys = Field(
        (),
        description="Further keys, `NAME:KEY`, comma-separated; `API_KEY` is called `main`. "
        "`NAME/SERVICE:KEY` limits one to a service.",
    )
    base_url: BaseURL
    rate_limit: RateLimit = Field(
        None,
        description="Submissions of each key, `TASKS/SECONDS` or `off`; if unset, as the vendor "
        "documents.",
    )
    max_in_flight: MaxCount = Field(
        None,
        description="Unfinished tasks of each key, a number or `off`; if unset, as the vendor "
        "documents.",
    )
    lookups_per_s: MaxCount = Field(
        None,
        description="Status requests of each key in a second, a number or `off`; if unset, as the "
        "vendor documents.",
    )
    poll_delays: SecondsList = Field(
        (),
        description="Delays before the first polls of its jobs, such as `10,60,300`, instead of "
        "`POLL_COUNTDOWNS` and of what a fast model says of itself.",
    )

    @property
    def keys(self) -> tuple[AccountKey, ...]:
        """Every key, in order of preference."""
        main = (AccountKey(MAIN, self.api_key),) if self.api_key else ()
        return (*main, *self.api_keys)

    @property
    def key(self) -> str:
        """The first API key in plain text; empty if none is set."""
        return self.keys[0].secret.get_secret_value() if self.keys else ""

    def find_key(self, name: str) -> AccountKey | None:
        """Return the key called `name`; an empty name is that of a job of an earlier release."""
        return next((key for key in self.keys if key.name == (name or MAIN)), None)

    def find_key_field(self, key: AccountKey) -> str:
        """Return the field that holds a key of this account."""
        return "api_key" if key.secret == self.api_key else "api_keys"

    def with_key(self, key: AccountKey) -> Self:
        """Return the account with one key alone."""
        return self.model_copy(update={"api_key": None, "api_keys": (key,)})

    def adjust_limits(self, documented: ProviderLimits) -> ProviderLimits:
        """Return a provider's documented limits, with what these settings say instead."""
        tasks, seconds = self.rate_limit or (documented.tasks, documented.seconds)
        in_flight, lookups = self.max_in_flight, self.lookups_per_s
        return ProviderLimits(
            tasks=tasks,
            seconds=seconds,
            max_in_flight=documented.max_in_flight if in_flight is None else in_flight,
            lookups_per_s=documented.lookups_per_s if lookups is None else lookups,
        )

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate a request with the first key."""
        return {"Authorization": f"Bearer {self.key}"}

    def complete_request(self, request: ProviderRequest) -> ProviderRequest:
        """Return a request with what only the settings know, such as a secret to sign with."""
        return request

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
