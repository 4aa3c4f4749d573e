"""The address guard: URLs from outside must not lead into the private network."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

import pycurl

from .errors import PrivateAddressError
from .url import get_host, get_origin

# IPv6 addresses that lead to an IPv4 address (compatible, mapped, NAT64, 6to4), and the bit at
# which that address begins.
_EMBEDS_IPV4_AT = {
    ipaddress.IPv6Network("::/96"): 96,
    ipaddress.IPv6Network("::ffff:0:0/96"): 96,
    ipaddress.IPv6Network("::ffff:0:0:0/96"): 96,
    ipaddress.IPv6Network("64:ff9b::/96"): 96,
    ipaddress.IPv6Network("64:ff9b:1::/48"): 96,
    ipaddress.IPv6Network("2002::/16"): 16,
}


def is_public(address: str) -> bool:
    """Return whether an IP address, and one embedded in it, belongs to the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        for network, start in _EMBEDS_IPV4_AT.items():
            if ip in network:
                ip = ipaddress.IPv4Address(int(ip) >> (96 - start) & 0xFFFFFFFF)
                break
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def require_public(address: str) -> None:
    """Raise PrivateAddressError unless an IP address is public."""
    if not is_public(address):
        raise PrivateAddressError(f"{address} is a private address")


def require_public_host(url: pycurl.CurlUrl) -> None:
    """Raise PrivateAddressError for a host that is a private address without any resolving."""
    host = get_host(url)
    if host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost"):
        raise PrivateAddressError("localhost is a private address")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    require_public(host)


class TrustedHosts:
    """Hosts, as `host:port`, that may have private addresses."""

    def __init__(self, hosts: Collection[str]) -> None:
        self._hosts = {host.translate({ord("["): "", ord("]"): ""}).lower() for host in hosts}

    def __contains__(self, url: pycurl.CurlUrl) -> bool:
        _, host, port = get_origin(url)
        return f"{host}:{port}" in self._hosts
