"""What a process signs with SECRET_KEY: URLs of the receiver, and proofs that it has that key."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from urllib.parse import quote

_CHALLENGE = re.compile(r"[0-9a-f]{32}")
# Callback tokens sign `provider/job_id`: without a slash, this is never the message of one.
CHALLENGE_PURPOSE = b"imagequeue challenge"
IMAGE_PURPOSE = b"imagequeue input image"
RESULT_PURPOSE = b"imagequeue result image"


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
    return _is_one_of(given, [make_token(secret, provider, job_id) for secret in secrets])


def _is_one_of(given: str, tokens: Sequence[str]) -> bool:
    # Every token is tried, so that the time taken does not reveal which one fits.
    matches = [hmac.compare_digest(given.encode(), token.encode()) for token in tokens]
    return any(matches)


def build_image_url(public_url: str, secrets: Sequence[bytes], name: str, expires: int) -> str:
    """Return the URL of an image in the storage until a time, in epoch seconds."""
    token = _sign_image(IMAGE_PURPOSE, secrets[0], name, str(expires))
    return f"{public_url}/uploads/{expires}/{token}/{quote(name)}"


def is_valid_image_token(given: str, secrets: Sequence[bytes], name: str, expires: str) -> bool:
    """Whether one of the secrets signed the URL of an image; the time is not checked."""
    signed = [_sign_image(IMAGE_PURPOSE, secret, name, expires) for secret in secrets]
    return _is_one_of(given, signed)


def sign_result(secrets: Sequence[bytes], job_id: str, index: int, expires: int) -> str:
    """Return the signature of the URL of a job's image until a time, in epoch seconds."""
    return _sign_image(RESULT_PURPOSE, secrets[0], f"{job_id}/{index}", str(expires))


def is_valid_result_token(
    given: str, secrets: Sequence[bytes], job_id: str, index: int, expires: int
) -> bool:
    """Whether one of the secrets signed the URL of a job's image; the time is not checked."""
    name = f"{job_id}/{index}"
    signed = [_sign_image(RESULT_PURPOSE, secret, name, str(expires)) for secret in secrets]
    return _is_one_of(given, signed)


def _sign_image(purpose: bytes, secret: bytes, name: str, expires: str) -> str:
    key = hmac.digest(secret, purpose, hashlib.sha256)
    return hmac.new(key, f"{expires}/{name}".encode(), hashlib.sha256).hexdigest()


def is_valid_challenge(challenge: str) -> bool:
    """Whether a challenge has the one form that is signed: 32 hex digits."""
    return _CHALLENGE.fullmatch(challenge) is not None


def sign_challenge(secret: bytes, challenge: str) -> str:
    """Return the proof that this process has the secret, 64 hex digits.

    The key is derived, so that nobody can obtain a callback token as a proof.
    """
    key = hmac.digest(secret, CHALLENGE_PURPOSE, hashlib.sha256)
    return hmac.new(key, challenge.encode(), hashlib.sha256).hexdigest()
