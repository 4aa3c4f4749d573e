"""Idempotency keys: repeating a request with its key returns the original job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import InvalidRequestError, Problem

MAX_KEY_LENGTH = 255


class IdempotencyKey(NamedTuple):
    """An idempotency key, told apart by caller, and the digest of the request under it."""

    key: str
    digest: str


def build_idempotency_key(key: str, fields: Mapping[str, Any], caller: str = "") -> IdempotencyKey:
    """An idempotency key of a caller's, for this request and no other."""
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isprintable():
        problem = f"must be 1 to {MAX_KEY_LENGTH} printable characters"
        raise InvalidRequestError([Problem("idempotency_key", problem)])
    canonical = json.dumps(fields, sort_keys=True, default=str).encode(errors="replace")
    return IdempotencyKey(f"{caller}:{key}", hashlib.sha256(canonical).hexdigest())
