"""The address guard: URLs from outside must not lead into the private network."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from contextlib import suppress

import pycurl

from ...config.host_patterns import HostPatterns
from .errors import PrivateAddressError
from .url import get_origin

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _parse_networks(*networks: str) -> list[Network]:
    return [ipaddress.ip_network(each) for each in networks]


# Mapped addresses and NAT64: what counts is the IPv4 address in their last 32 bits.
_EMBEDS_IPV4 = _parse_networks("::ffff:0:0/96", "64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# By the registries of IANA; some versions of Python count parts of these as global: protocol
# assignments (with Teredo), 6to4 and its relays, and documentation.
_NOT_PUBLIC = _parse_networks(
    *("192.0.0.0/24", "2001::/23", "192.88.99.0/24", "2002::/16", "2001:db8::/32", "3fff::/20")
)


def is_public(address: str) -> bool:
    """Return whether an IP address, or the one embedded in it, is of the public internet."""
    ip = _parse(address)
    if any(ip in network for network in _NOT_PUBLIC):
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _GLOBAL_UNICAST:
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _parse(address: str) -> Address:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if any(ip in network for network in _EMBEDS_IPV4):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


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
        if not is_public(address) and not any(_parse(address) in each for each in self._networks):
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
