"""The latest tries to deliver the webhooks of each job."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import redis

from ...jobs.delivery import Delivery
from . import keys as webhook_keys

MAX_DELIVERIES = 20
"""How many are stored for each job; `acknowledge_webhooks.lua` adds them."""


def dump_delivery(delivery: Delivery | None) -> str:
    """Return the line that is stored; empty for none."""
    return delivery.model_dump_json(exclude_defaults=True) if delivery else ""


def list_deliveries(client: redis.Redis, job_id: str) -> list[Delivery]:
    """Return the latest tries, oldest first; one that cannot be read is left out."""
    lines: Any = client.lrange(webhook_keys.deliveries(job_id), 0, -1)
    found = []
    for line in lines:
        with suppress(ValueError):
            found.append(Delivery.model_validate_json(line))
    return found
