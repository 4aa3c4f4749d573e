"""The hash of a secret, which Redis has in its place."""

from __future__ import annotations

import hashlib


def hash_key(key: str) -> str:
    """Return the SHA-256 of a key or another secret, in hex.

    No salt and no slow hash: those protect guessable passwords, and a key is 32 random bytes.
    """
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()
