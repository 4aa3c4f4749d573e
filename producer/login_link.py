"""The link that logs one browser in without an API key."""

from __future__ import annotations

from ..config.redis import connect, reachable
from ..config.settings import Settings
from ..store.callers.login_links import LOCAL, LoginLinks
from ..store.callers.roles import Role


def make_login_link(
    settings: Settings, url: str, role: Role = Role.ADMIN, caller: str = LOCAL
) -> str:
    """Return a new link to the API at `url`; it works once, within 15 minutes."""
    with connect(settings) as client, reachable():
        return LoginLinks(client).make(url, role, caller)
