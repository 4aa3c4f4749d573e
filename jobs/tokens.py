"""What a process signs with SECRET_KEY: callback URLs, and proofs that a receiver has that key."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence

_CHALLENGE = re.compile(r"[0-9a-f]{32}")
# Callback tokens sign `provider/job_id`: without a slash, this is never the message of one.
CHALLENGE_PURPOSE = b"imagequeue challenge"


def make_token(secret: bytes, provider: str, job_id: str) -> str:
    """Return a job's callback token under one secret, 32 hex digits."""
    return hmac.new(secret, f"{provider}/{job_id}".encode(), hashlib.sha256).hexdigest()[:32]


def build_callback_url(
    public_url: str, secrets: Sequence[bytes], provider: str, job_id: str
) -> str:
    """Return the URL that accepts callbacks for one job, signed with the first secret."""
    return f"{public_url}/callbacks/{provider}/{job_id}/{make_token(secrets[0], provider, job_id)}"


def is_valid_token(given: str, secrets: Sequence[bytes], provider: str, job_id: str) -> bool:
    """Whether one of the secrets made the token; compares in constant time."""
    # Every secret is tried, so that the time taken does not reveal which one fits.
    matches = [
        hmac.compare_digest(given.encode(), make_token(secret, provider, job_id).encode())
        for secret in secrets
    ]
    return any(matches)


def is_valid_challenge(challenge: str) -> bool:
    """Whether a challenge has the one form that is signed: 32 hex digits."""
    return _CHALLENGE.fullmatch(challenge) is not None


def sign_challenge(secret: bytes, challenge: str) -> str:
    """Return the proof that this process has the secret, 64 hex digits.

    The key is derived, so that nobody can obtain a callback token as a proof.
    """
    key = hmac.digest(secret, CHALLENGE_PURPOSE, hashlib.sha256)
    return hmac.new(key, challenge.encode(), hashlib.sha256).hexdigest()
