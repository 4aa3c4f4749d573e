"""The address guard: URLs from outside must not lead into the private network."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

import pycurl

from .errors import PrivateAddressError
from .host_patterns import HostPatterns
from .url import get_host

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Mapped addresses and NAT64: what counts is the IPv4 address in their last 32 bits.
_EMBEDS_IPV4 = [ipaddress.ip_network(each) for each in ("::ffff:0:0/96", "64:ff9b::/96")]
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# By the registries of IANA; some versions of Python count parts of these as global.
_NOT_PUBLIC = [
    ipaddress.ip_network(each)
    for each in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # relays of 6to4
        "2001::/23",  # protocol assignments, with Teredo
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
]


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
        self.trusted_hosts = HostPatterns(hosts, needs_port=True)
        self._networks = networks
        self._hint = f"; if that is right, list its network in {remedy}" if remedy else ""

    def require_allowed(self, address: str) -> None:
        """Raise PrivateAddressError unless an IP address is public or in a trusted network."""
        if is_public(address):
            return
        ip = _parse(address)
        if not any(ip in network for network in self._networks):
            raise PrivateAddressError(f"{address} is a private address{self._hint}")

    def require_allowed_host(self, url: pycurl.CurlUrl) -> None:
        """Raise PrivateAddressError for a host that is a private address without any resolving."""
        host = get_host(url)
        if host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost"):
            raise PrivateAddressError("localhost is a private address")
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return
        self.require_allowed(host)
