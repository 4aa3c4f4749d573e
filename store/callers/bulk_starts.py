"""When a bulk action began that has an idempotency key: a repetition continues it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import redis

from ...errors import IdempotencyConflictError
from ...jobs.idempotency import IdempotencyKey
from .. import keys
from ..jobs import IDEMPOTENCY_KEY_TTL_S


def begin_once(client: redis.Redis, given: IdempotencyKey, now: datetime) -> datetime | None:
    """Return when the action with this key began; None if it begins now.

    Raises IdempotencyConflictError if the key belongs to a different request.
    """
    key = keys.bulk_start(given.key)
    value = f"{now.timestamp()} {given.digest}"
    if client.set(key, value, nx=True, ex=IDEMPOTENCY_KEY_TTL_S):
        return None
    stored: Any = client.get(key)
    started, _, digest = (stored.decode() if stored else value).partition(" ")
    if digest != given.digest:
        raise IdempotencyConflictError([0])
    return datetime.fromtimestamp(float(started), UTC)
