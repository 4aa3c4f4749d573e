"""Idempotency keys: repeating a request with its key returns the original job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import InvalidRequestError, Problem
from .ids import quote_name

MAX_KEY_LENGTH = 255


class IdempotencyKey(NamedTuple):
    """A caller's idempotency key, and the digest of the request that it belongs to."""

    key: str
    digest: str


def build_idempotency_key(key: str, fields: Mapping[str, Any], caller: str = "") -> IdempotencyKey:
    """Return a caller's idempotency key for one request.

    Raises InvalidRequestError if the key is empty, too long or not printable.
    """
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isprintable():
        problem = f"must be 1 to {MAX_KEY_LENGTH} printable characters"
        raise InvalidRequestError([Problem("idempotency_key", problem)])
    try:
        canonical = json.dumps(fields, sort_keys=True, default=str).encode(errors="replace")
    except (TypeError, ValueError, RecursionError):
        problem = "cannot name a request that is not JSON"
        raise InvalidRequestError([Problem("idempotency_key", problem)]) from None
    return IdempotencyKey(f"{quote_name(caller)}:{key}", hashlib.sha256(canonical).hexdigest())
