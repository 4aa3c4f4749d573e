"""What new jobs of a caller are subject to: the budgets and the webhook of its API key."""

from __future__ import annotations

from typing import NamedTuple

import redis

from ...config.budgets import Budget
from ...jobs.caller_webhook import CallerWebhook
from .. import keys
from ..webhooks import keys as webhook_keys
from ..webhooks.caller_webhooks import parse_webhook
from .api_keys import find_budgets, is_key_name


class Terms(NamedTuple):
    """The terms of a caller; those of one without an API key in Redis are empty."""

    budgets: tuple[Budget, ...] = ()
    webhook: CallerWebhook = CallerWebhook()


def read_terms(client: redis.Redis, caller: str) -> Terms:
    """Return the terms of a caller; raises ConfigError for a damaged webhook."""
    if not is_key_name(caller):
        return Terms()
    with client.pipeline(transaction=False) as pipe:
        pipe.hget(keys.API_KEYS, caller)
        pipe.hget(webhook_keys.CALLER_WEBHOOKS, caller)
        key, webhook = pipe.execute()
    return Terms(find_budgets(caller, key), parse_webhook(caller, webhook))
