"""The account at OpenAI, or at a gateway that speaks the same API."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from ...field_types import BaseURL, OptionalSecret
from ..account import Account


class OpenAIAccount(Account):
    """Its keys are those of the server that the base URL names."""

    name = "openai"
    credit_usd = Decimal(1)

    api_key: OptionalSecret = Field(None, description="Your key at OpenAI or at the gateway.")
    base_url: BaseURL = Field(
        "https://api.openai.com/v1",
        description="The address of OpenAI or of a gateway that speaks its images API, before "
        "`/images/generations`.",
    )
