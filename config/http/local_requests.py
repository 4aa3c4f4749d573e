"""Recognise requests of this user's programs on this machine, which need no key or password.

A proxy on this machine connects from loopback too. What may have come through one is refused.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from .socket_user import Endpoint, find_user

# Beginnings of the headers that proxies, tunnels and content delivery networks add.
PROXY_HEADERS = (
    *("forwarded", "via", "x-forward", "x-real-", "x-client-", "x-cluster-", "x-original-"),
    *("x-host", "x-scheme", "x-proxy", "x-remote-", "x-rewrite-", "x-nginx", "x-envoy-"),
    *("client-ip", "true-client-", "remote-", "proxy-", "wl-proxy-", "max-forwards", "surrogate-"),
    *("cf-", "cdn-", "fastly-", "fly-", "akamai-", "x-akamai-", "x-amz", "x-azure-", "x-arr-"),
    *("x-appengine-", "x-cloud-", "x-varnish", "x-vercel-", "x-nf-", "ngrok-", "tailscale-"),
    *("cloudfront-", "x-sucuri-", "incap-", "ali-", "eagleid", "x-railway-", "rndr-", "x-ngrok"),
    *("x-client", "x-served-by", "x-request-start", "x-gateway", "x-edge-", "x-lb-", "x-peer"),
    *("x-traefik", "x-haproxy", "x-url-scheme", "x-ssl-", "ssl-", "front-end-https", "x-cdn"),
    *("x-auth", "x-webauth", "x-zrok"),
)
# In the names of others: `http-x-forwarded-for`, `bypass-tunnel-reminder`, `do-connecting-ip`.
_PROXY_WORD = re.compile(r"forward|proxy|tunnel|-(ip|addr)$")


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server that listens on `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class ServerEnd(Protocol):
    """The server's end of a connection, as of `socket.socket`."""

    def getpeername(self) -> Any:
        """Return the address of the other end; raises OSError once the connection was reset."""


def is_local_request(
    peer: Endpoint | None,
    server: Endpoint | None,
    http_version: str,
    headers: Mapping[str, str],
    end: ServerEnd | None,
) -> bool:
    """Return whether a program of this user sent the request itself.

    `peer` is the address that connected, None for a Unix socket, which only proxies use; `server`
    is the one it connected to, and `end` the server's socket, if known. A foreign Host is refused,
    because DNS rebinding can point a browser on this machine at it.
    """
    if peer is None or not is_loopback(peer[0]):
        return False
    # Some servers write `_` for `-`, and a name may come twice.
    given = [(name.lower().replace("_", "-"), value) for name, value in headers.items()]
    hosts = [value for name, value in given if name == "host"]
    # Plain `proxy_pass` of nginx speaks HTTP/1.0, or closes each connection.
    closes = any(name == "connection" and "close" in value.lower() for name, value in given)
    if http_version == "1.0" or closes or any(_is_of_proxy(name) for name, _ in given):
        return False
    if len(hosts) != 1 or not is_loopback(_to_hostname(hosts[0])):
        return False
    # After a reset, a program of this user may have got the address of another user's.
    return find_user(peer, server) in (None, os.geteuid()) and (end is None or _is_open(end))


def _is_open(end: ServerEnd) -> bool:
    try:
        end.getpeername()
    except OSError:
        return False
    return True


def _is_of_proxy(header: str) -> bool:
    return header.startswith(PROXY_HEADERS) or _PROXY_WORD.search(header) is not None


def _to_hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
