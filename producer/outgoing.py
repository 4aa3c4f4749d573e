"""Outgoing requests of the producer: by the way that the settings choose, as in the workers."""

from __future__ import annotations

import requests

from ..config.settings import Settings


def open_session(settings: Settings) -> requests.Session:
    """Open a session with the proxy and the certificate authorities of the settings.

    A .netrc or a proxy of the environment must not replace a key or send it elsewhere.
    """
    session = requests.Session()
    session.trust_env = False
    if proxy := settings.proxy_url:
        session.proxies = {"http": proxy, "https": proxy}
    session.verify = str(settings.ca_file) if settings.ca_file else True
    return session
