"""A job's own callback URL: whoever knows it may report on that job and no other."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence


def token(secret: bytes, provider: str, job_id: str) -> str:
    """The token of a job under one secret, 32 hex digits."""
    return hmac.new(secret, f"{provider}/{job_id}".encode(), hashlib.sha256).hexdigest()[:32]


def callback_url(public_url: str, secrets: Sequence[bytes], provider: str, job_id: str) -> str:
    """The URL a provider is given for a job, signed with the first secret."""
    return f"{public_url}/callbacks/{provider}/{job_id}/{token(secrets[0], provider, job_id)}"


def is_genuine(given: str, secrets: Sequence[bytes], provider: str, job_id: str) -> bool:
    """Whether any of the secrets made the token; compared in constant time."""
    # Every secret is tried, so that the time taken does not tell which one fits.
    fits = [
        hmac.compare_digest(given.encode(), token(secret, provider, job_id).encode())
        for secret in secrets
    ]
    return any(fits)
