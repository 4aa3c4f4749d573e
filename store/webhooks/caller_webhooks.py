"""The webhooks of API keys. Their secrets are stored as they are, because the workers sign."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime, timedelta
from typing import Any, cast

import redis

from ...errors import ApiKeyError, ConfigError
from ...jobs.caller_webhook import CallerWebhook
from .. import keys
from ..callers.api_keys import is_key_name
from . import keys as webhook_keys

ROTATION = timedelta(days=1)
"""How long a former secret signs as well."""


class CallerWebhooks:
    """The webhooks by the names of their API keys."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def find(self, caller: str) -> CallerWebhook:
        """Return the webhook of a caller, which is empty unless its API key has one.

        Raises ConfigError for a damaged record, which never quotes it.
        """
        if not is_key_name(caller):
            return CallerWebhook()
        record: Any = self._redis.hget(webhook_keys.CALLER_WEBHOOKS, caller)
        return parse_webhook(caller, record)

    def change(
        self, caller: str, now: datetime, url: str | None = None, *, new_secret: bool = False
    ) -> tuple[CallerWebhook, str]:
        """Set the URL if it is given, and make a secret if that is asked for or there is none.

        Returns the webhook and the new secret, empty for none. Raises ApiKeyError for an unknown
        key, or ConfigError.
        """

        def apply(pipe: Any) -> tuple[CallerWebhook, str]:
            if not pipe.hexists(keys.API_KEYS, caller):
                raise ApiKeyError(f"no key is named {caller}; `imagequeue keys list` shows all")
            record = pipe.hget(webhook_keys.CALLER_WEBHOOKS, caller)
            webhook = parse_webhook(caller, record)
            if url is not None:
                webhook = webhook.evolve(url=url)
            secret = ""
            if new_secret or not webhook.secrets:
                secret = make_secret()
                webhook = webhook.rotate(secret, now + ROTATION)
            pipe.multi()
            pipe.hset(
                webhook_keys.CALLER_WEBHOOKS, caller, webhook.model_dump_json(exclude_defaults=True)
            )
            return webhook, secret

        # WATCH, so that a key that is removed meanwhile leaves no webhook behind.
        transaction: Any = self._redis.transaction
        watched = (keys.API_KEYS, webhook_keys.CALLER_WEBHOOKS)
        done = transaction(apply, *watched, value_from_callable=True)
        return cast("tuple[CallerWebhook, str]", done)

    def remove(self, caller: str) -> None:
        """Delete the webhook of a key; its jobs use the default URL and secret again."""
        self._redis.hdel(webhook_keys.CALLER_WEBHOOKS, caller)


def make_secret() -> str:
    """Return a new secret of 32 random bytes."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def parse_webhook(caller: str, record: bytes | None) -> CallerWebhook:
    """Return a stored webhook, empty for None; raises ConfigError for a damaged one."""
    try:
        return CallerWebhook() if record is None else CallerWebhook.model_validate_json(record)
    except ValueError:
        # pydantic's message would quote the record.
        words = "is damaged: remove it with `imagequeue keys webhook"
        raise ConfigError(f"the webhook of {caller} {words} {caller} --remove`") from None
