"""Login without an API key, by whoever holds the terminal: one-time links and browser sessions."""

from __future__ import annotations

import secrets

import redis

from .. import keys
from .api_keys import hash_key

LINK_S = 15 * 60
SESSION_S = 12 * 3600


class LocalLogins:
    """One-time links and the sessions they open; Redis has only hashes of both, and ends both."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def make_link(self, url: str) -> str:
        """Return a link to the API at `url` that logs one browser in, once, within LINK_S."""
        token = secrets.token_urlsafe(32)
        self._redis.set(keys.login_link(hash_key(token)), 1, ex=LINK_S)
        return f"{url.rstrip('/')}/login/{token}"

    def is_unused(self, token: str) -> bool:
        """Return whether the token of a link can still be used."""
        return bool(self._redis.exists(keys.login_link(hash_key(token))))

    def start_session(self, token: str) -> str | None:
        """Use up the token of a link and return the secret of a session; None if it was used."""
        # One command: of two simultaneous uses, one gets the session.
        if self._redis.getdel(keys.login_link(hash_key(token))) is None:
            return None
        secret = secrets.token_urlsafe(32)
        self._redis.set(keys.login_session(hash_key(secret)), 1, ex=SESSION_S)
        return secret

    def has_session(self, secret: str) -> bool:
        """Return whether this is the secret of a session that has not ended."""
        return bool(self._redis.exists(keys.login_session(hash_key(secret))))

    def end_session(self, secret: str) -> None:
        """End the session with this secret, if there is one."""
        self._redis.delete(keys.login_session(hash_key(secret)))
