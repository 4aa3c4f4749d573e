"""Refuse image URLs that lead into a private network, where no provider could fetch them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..config.addresses import find_private_address, parse_address
from ..config.host_patterns import HostPatterns
from ..config.settings import PREFIX, Settings
from ..errors import InvalidRequestError, Problem
from ..providers import get as get_provider
from ..providers.request import JobRequest

_PORTS = {"http": 80, "https": 443}


def check_private_urls(settings: Settings, request: JobRequest) -> None:
    """Raise InvalidRequestError for a private address that is not trusted; no name is resolved.

    A provider that is at a private address itself, such as the sandbox, may be given any.
    """
    private = {
        n: found for n, url in enumerate(request.image_urls) if (found := _find(settings, url))
    }
    if not private:
        return
    choices = [(request.provider, request.params)]
    choices += [(each.provider, each.params) for each in request.fallback]
    if all(_is_private(settings, name, params) for name, params in choices):
        return
    words = (
        "is a private address, which no provider reaches: upload the image, or list the host with "
        f"its port in {PREFIX}DOWNLOAD_TRUSTED_HOSTS"
    )
    raise InvalidRequestError(
        [Problem(f"image_urls.{n}", f"{address} {words}") for n, address in private.items()]
    )


def _find(settings: Settings, url: str) -> str:
    """Return the private address in a URL, or an empty text: the rest is for the provider."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return ""
    address = find_private_address(host)
    if not address:
        return ""
    if HostPatterns(settings.download_trusted_hosts, needs_port=True).match(host, str(port)):
        return ""
    try:
        ip = parse_address(address)
    except ValueError:  # a name
        return address
    return "" if any(ip in each for each in settings.download_trusted_networks) else address


def _is_private(settings: Settings, name: str, params: Mapping[str, Any]) -> bool:
    account = settings.account(get_provider(name, params).account)
    return bool(find_private_address(urlsplit(account.base_url).hostname or ""))
