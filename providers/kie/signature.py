"""kie's callback signature. Source: docs.kie.ai/common-api/webhook-verification, read 2026."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

# kie documents no window for its timestamps; its clients allow five minutes.
_WINDOW_S = 300
_MAX_TIMESTAMP_DIGITS = 12


def is_recent(timestamp: str, received_at: datetime) -> bool:
    """Return whether a timestamp, in Unix seconds, is within five minutes of the arrival."""
    is_time = timestamp.isdecimal() and len(timestamp) <= _MAX_TIMESTAMP_DIGITS
    return is_time and abs(received_at.timestamp() - int(timestamp)) <= _WINDOW_S


def is_signed(key: str, task_id: str, timestamp: str, signature: str) -> bool:
    """Return whether kie signed this task id and time; the caller checks the time's age.

    The body is not signed: a valid signature says nothing about the URLs in a callback.
    """
    signed = f"{task_id}.{timestamp}".encode(errors="replace")
    digest = hmac.new(key.encode(), signed, hashlib.sha256).digest()
    return hmac.compare_digest(base64.b64encode(digest), signature.encode(errors="replace"))
