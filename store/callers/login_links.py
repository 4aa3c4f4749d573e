"""Login without an API key, by whoever holds the terminal: one-time links."""

from __future__ import annotations

import secrets
from typing import Any

import redis

from .. import keys
from .hashing import hash_key
from .roles import Role

LINK_S = 15 * 60


class LoginLinks:
    """One-time links; Redis has only their hashes, and ends them."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def make(self, url: str, role: Role = Role.ADMIN) -> str:
        """Return a link to the API at `url` that logs one browser in, once, within LINK_S."""
        token = secrets.token_urlsafe(32)
        self._redis.set(keys.login_link(hash_key(token)), role, ex=LINK_S)
        return f"{url.rstrip('/')}/login/{token}"

    def find(self, token: str) -> Role | None:
        """Return the role that a link gives; None if it was used, or has expired."""
        return _parse(self._redis.get(keys.login_link(hash_key(token))))

    def use(self, token: str) -> Role | None:
        """Use a link up, and return the role that it gives; None as `find`."""
        # One command: of two simultaneous uses, one gets the role.
        return _parse(self._redis.getdel(keys.login_link(hash_key(token))))


def _parse(stored: Any) -> Role | None:
    roles = {role.encode(): role for role in Role}
    return roles.get(stored)
