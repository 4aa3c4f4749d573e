"""Refuse URLs that lead into a private network.

No provider could fetch such an image, and no worker would send such a webhook.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from ..config.addresses import Network, find_private_address, parse_address
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
    hosts, networks = settings.download_trusted_hosts, settings.download_trusted_networks
    private = {
        n: found
        for n, url in enumerate(request.image_urls)
        if (found := _find(url, hosts, networks))
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


def find_webhook_problem(settings: Settings, url: str) -> str:
    """Return why the workers will refuse to send webhooks to a URL; empty if they may send them.

    A name that may still resolve to an address that is allowed is not refused.
    """
    hosts, networks = settings.webhook_trusted_hosts, settings.webhook_trusted_networks
    address = _find(url, hosts, networks)
    may_resolve = not (_is_address(address) or f".{address}".endswith(".localhost"))
    if not address or (may_resolve and (networks or settings.http_proxy)):
        return ""
    return (
        f"{address} is a private address: list the host with its port in "
        f"{PREFIX}WEBHOOK_TRUSTED_HOSTS, or its network in {PREFIX}WEBHOOK_TRUSTED_NETWORKS"
    )


def _find(url: str, hosts: Collection[str], networks: Collection[Network]) -> str:
    """Return the private address in a URL that is not trusted, or an empty text."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return ""
    address = find_private_address(host)
    if not address or HostPatterns(hosts, needs_port=True).match(host, str(port)):
        return ""
    if _is_address(address) and any(parse_address(address) in each for each in networks):
        return ""
    return address


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except ValueError:
        return False
    return True


def _is_private(settings: Settings, name: str, params: Mapping[str, Any]) -> bool:
    account = settings.account(get_provider(name, params).account)
    return bool(find_private_address(urlsplit(account.base_url).hostname or ""))
