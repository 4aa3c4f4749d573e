"""Which addresses, and which hosts as URLs spell them, are of the public internet."""

from __future__ import annotations

import ipaddress
import socket
import unicodedata
from contextlib import suppress
from urllib.parse import unquote

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
    ip = parse_address(address)
    if any(ip in network for network in _NOT_PUBLIC):
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _GLOBAL_UNICAST:
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def parse_address(address: str) -> Address:
    """Return an IP address, or the IPv4 address embedded in it; raises ValueError."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if any(ip in network for network in _EMBEDS_IPV4):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


# Names that lead into a private network wherever they are looked up.
_PRIVATE_NAMES = (".localhost", ".localdomain", ".local", ".internal", ".home.arpa")


def find_private_address(host: str) -> str:
    """Return the private address or name that a URL's host is, without resolving names.

    Empty for every other host; then it may still resolve to a private address.
    """
    name = unicodedata.normalize("NFKC", unquote(host)).strip("[]").rstrip(".").lower()
    if f".{name}".endswith(_PRIVATE_NAMES):
        return name
    with suppress(ValueError):
        return "" if is_public(name) else name
    with suppress(OSError, ValueError):  # `127.1`, `0x7f000001` and other forms of an address
        address = socket.inet_ntoa(socket.inet_aton(name))
        return "" if is_public(address) else address
    return ""
