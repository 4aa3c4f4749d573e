"""Proof that a receiver signs as we do, for whoever asks through its public address."""

from __future__ import annotations

import hashlib
import hmac
import re

# Anything else is not signed: nobody needs it, and nobody gets long work out of us.
CHALLENGE = re.compile(r"[0-9a-f]{32}")
# The message of no callback token, for each of those has a slash in it.
PURPOSE = b"imagequeue challenge"


def proof(secret: bytes, challenge: str) -> str:
    """The answer to a challenge, 64 hex digits.

    Under a key of its own: whoever may ask for proofs must not get a callback's token for one.
    """
    key = hmac.digest(secret, PURPOSE, hashlib.sha256)
    return hmac.new(key, challenge.encode(), hashlib.sha256).hexdigest()
