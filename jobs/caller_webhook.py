"""The webhook of a caller: where events about its jobs go, and what signs them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class SigningSecret(BaseModel):
    """A secret of a webhook, as Standard Webhooks writes it: `whsec_...`."""

    model_config = ConfigDict(frozen=True)

    secret: str = Field(repr=False)
    expires_at: datetime | None = None
    """Until when a former secret signs as well; None for the present one."""


class CallerWebhook(BaseModel):
    """A URL for the jobs of one caller that give none of their own, and its secrets."""

    model_config = ConfigDict(frozen=True)

    url: str | None = None
    secrets: tuple[SigningSecret, ...] = ()
    """The present one first."""

    def list_secrets(self, now: datetime) -> list[str]:
        """Return the secrets that sign at a time; empty if the caller has none of its own."""
        return [
            each.secret for each in self.secrets if each.expires_at is None or each.expires_at > now
        ]

    def rotate(self, secret: str, former_until: datetime) -> CallerWebhook:
        """Return the webhook with a new secret; the present one signs as well until a time."""
        former = [each.model_copy(update={"expires_at": former_until}) for each in self.secrets[:1]]
        return self.evolve(secrets=(SigningSecret(secret=secret), *former))

    def evolve(self, **fields: Any) -> CallerWebhook:
        """Return the webhook with fields changed."""
        return self.model_copy(update=fields)
