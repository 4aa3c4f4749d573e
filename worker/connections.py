"""Connections that keep a deadline and an address guard, below `requests`."""

from __future__ import annotations

import io
import ipaddress
import socket
import threading
import time
from collections.abc import Collection
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

# Of an image host; a provider may be silent until the deadline.
READ_TIMEOUT_S = 15.0
CHUNK_BYTES = 256 * 1024


class PrivateAddressError(OSError):
    """The URL leads to an address that is not public, and no trusted host."""


class Exchange(threading.local):
    """What the connections of this thread need to know about the exchange under way."""

    deadline: float = 0.0
    silence_s: float = READ_TIMEOUT_S
    """How long the other side may say nothing."""
    sent: bool = False
    """Set just before the first byte leaves: from then on it may have arrived."""
    guarded: bool = False
    trusted: Collection[str] = ()
    refused: str = ""


exchange = Exchange()


class _DeadlineReader(io.RawIOBase):
    """The bytes of an answer; a server that drips them does not outlast the deadline."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw: Any = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = exchange.deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the deadline of the exchange has passed")
        self._sock.settimeout(min(left_s, exchange.silence_s))
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_DeadlineReader(sock), CHUNK_BYTES)


class _Connection(HTTPConnection):
    response_class = _DeadlineResponse

    def _new_conn(self) -> socket.socket:
        if not exchange.guarded or f"{self.host}:{self.port}" in exchange.trusted:
            return super()._new_conn()
        # The name is resolved once, here: what is connected to is what was checked, so a name that
        # leads elsewhere a moment later gains nothing.
        name, self._dns_host = self._dns_host, self._public_address()
        try:
            return super()._new_conn()
        finally:
            self._dns_host = name

    def _public_address(self) -> str:
        """The first address of the host; raises PrivateAddressError unless all are public."""
        try:
            found = socket.getaddrinfo(
                self._dns_host.strip("[]"), self.port, type=socket.SOCK_STREAM
            )
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, f"{type(error).__name__} for the name") from error
        addresses = [str(sockaddr[0]) for *_, sockaddr in found]
        for address in addresses:
            if not is_public(address):
                exchange.refused = address
                raise PrivateAddressError
        return addresses[0]

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        # A worker that was frozen until its deadline passed must not start to pay now.
        if not exchange.sent and time.monotonic() > exchange.deadline:
            raise TimeoutError("the deadline passed before anything was sent")
        exchange.sent = True
        super().send(data)


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Adapter(HTTPAdapter):
    """Opens the connections of this module."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Called by requests, once an adapter."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


# IPv6 that leads to an IPv4 address: compatible, translated by NAT64, and through a relay (6to4).
_CARRIERS = {
    ipaddress.IPv6Network("::/96"): 96,
    ipaddress.IPv6Network("::ffff:0:0/96"): 96,
    ipaddress.IPv6Network("::ffff:0:0:0/96"): 96,
    ipaddress.IPv6Network("64:ff9b::/96"): 96,
    ipaddress.IPv6Network("64:ff9b:1::/48"): 96,
    ipaddress.IPv6Network("2002::/16"): 16,
}


def is_public(address: str) -> bool:
    """Whether an IP address, and one that it carries, belongs to the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        for network, at in _CARRIERS.items():
            if ip in network:
                ip = ipaddress.IPv4Address(int(ip) >> (96 - at) & 0xFFFFFFFF)
                break
    return ip.is_global and not ip.is_multicast and not ip.is_reserved
