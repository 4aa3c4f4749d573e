"""One try to deliver a webhook, as it is shown: never with a URL, a body or a secret."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from .image import Value

DeliveryError = Literal[
    "rejected", "gone", "private_address", "invalid_url", "not_sent", "no_response"
]


class Delivery(Value):
    """A try to deliver a webhook, and what became of it."""

    at: datetime = Field(description="When it was tried.")
    webhook_id: str = Field(description="The same for every try of an event.")
    event: str = Field(description="Its type, such as `job.succeeded`.")
    status: int | None = Field(None, description="The HTTP status of the answer, if there was one.")
    error: DeliveryError | None = Field(None, description="Null if it was delivered.")
    duration_ms: int
    next_at: datetime | None = Field(
        None, description="When it is tried again; null once it is delivered or given up on."
    )
