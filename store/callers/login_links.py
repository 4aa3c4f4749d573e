"""Login without an API key, by whoever holds the terminal: one-time links."""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

import redis

from .. import keys
from .hashing import hash_key
from .roles import Role

LINK_S = 15 * 60
LOCAL = "local"
"""The caller on this machine while no key exists, and of links that name none."""


class Login(NamedTuple):
    """What a link gives: a role, and the caller that its jobs and its session are of."""

    role: Role
    caller: str


class LoginLinks:
    """One-time links; Redis has only their hashes, and ends them."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def make(self, url: str, role: Role = Role.ADMIN, caller: str = LOCAL) -> str:
        """Return a link to the API at `url` that logs one browser in, once, within LINK_S."""
        token = secrets.token_urlsafe(32)
        self._redis.set(keys.login_link(hash_key(token)), f"{role}:{caller}", ex=LINK_S)
        return f"{url.rstrip('/')}/login/{token}"

    def find(self, token: str) -> Login | None:
        """Return what a link gives; None if it was used, or has expired."""
        return _parse(self._redis.get(keys.login_link(hash_key(token))))

    def use(self, token: str) -> Login | None:
        """Use a link up, and return what it gives; None as `find`."""
        # One command: of two simultaneous uses, one gets it.
        return _parse(self._redis.getdel(keys.login_link(hash_key(token))))


def _parse(stored: Any) -> Login | None:
    role, _, caller = (stored or b"").decode(errors="replace").partition(":")
    # Links of earlier versions name no caller.
    return Login(Role(role), caller or LOCAL) if role in set(Role) else None
