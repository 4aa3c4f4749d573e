"""Where the API is, and the key for it: arguments, or the environment."""

from __future__ import annotations

import os
from typing import NamedTuple

from ..errors import ConfigError

URL_VARIABLE = "IMAGEQUEUE_URL"
KEY_VARIABLE = "IMAGEQUEUE_API_KEY"


class Target(NamedTuple):
    """An API and the key for it."""

    url: str
    """Without a slash at its end."""
    api_key: str

    def __repr__(self) -> str:
        return f"Target({self.url!r})"


def find_target(url: str | None, api_key: str | None) -> Target:
    """Return the API to use; raises ConfigError if no URL is given, or a malformed one."""
    found = url or os.environ.get(URL_VARIABLE, "")
    if not found:
        raise ConfigError(
            f"no URL of a queue: set {URL_VARIABLE}, such as http://localhost:8000, or give "
            "Client(url); beside the queue's Redis, Client.local() needs none"
        )
    if not found.lower().startswith(("http://", "https://")):
        raise ConfigError(f"{URL_VARIABLE} must start with http:// or https://")
    if "@" in found.partition("://")[2].partition("/")[0]:
        raise ConfigError(f"{URL_VARIABLE} must hold no password: set {KEY_VARIABLE}")
    key = os.environ.get(KEY_VARIABLE, "") if api_key is None else api_key
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"{KEY_VARIABLE} must be printable ASCII")
    return Target(found.rstrip("/"), key)
