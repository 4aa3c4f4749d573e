"""The address guard: URLs from outside must not lead into the private network."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

import pycurl

from ...config.addresses import Network, is_public, parse_address
from ...config.host_patterns import HostPatterns
from .errors import PrivateAddressError
from .url import get_origin


class AddressGuard:
    """Which private addresses a client may connect to: `hosts` with ports, and `networks`.

    `remedy` is the setting that an error names.
    """

    def __init__(
        self, hosts: Collection[str] = (), networks: Collection[Network] = (), remedy: str = ""
    ) -> None:
        self._hosts = HostPatterns(hosts, needs_port=True)
        self._networks = networks
        self._hint = f"; if that is right, list its network in {remedy}" if remedy else ""

    def require_allowed(self, address: str) -> None:
        """Raise PrivateAddressError unless an IP address is public or in a trusted network."""
        if not is_public(address) and not any(
            parse_address(address) in each for each in self._networks
        ):
            raise PrivateAddressError(f"{address} is a private address{self._hint}")

    def must_check(self, url: pycurl.CurlUrl) -> bool:
        """Return whether the addresses of the URL's host must be allowed: it is not trusted.

        Raises PrivateAddressError if it is a private address without any resolving.
        """
        _, host, port = get_origin(url)
        if self._hosts.match(host, port):
            return False
        if f".{host.rstrip('.')}".endswith(".localhost"):
            raise PrivateAddressError("localhost is a private address")
        with suppress(ValueError):  # a name
            self.require_allowed(host)
        return True
