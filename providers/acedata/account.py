"""The account at AceData Cloud. It signs no callback and has no call that reports its credit."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from ...field_types import BaseURL, OptionalSecret
from ..account import Account


class AceDataAccount(Account):
    """Its tokens may each be for single services."""

    name = "acedata"
    # Its smallest package; larger ones are cheaper.
    credit_usd = Decimal("0.0952")

    api_key: OptionalSecret = Field(None, description="Your token at AceData Cloud.")
    base_url: BaseURL = Field("https://api.acedata.cloud", description="AceData Cloud's address.")
