"""Connections that keep a deadline and an address guard, below urllib3's."""

from __future__ import annotations

import functools
import io
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Collection
from http.client import HTTPResponse
from typing import Any

from certifi import where
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

# Of an image host; a provider may be silent until the deadline.
READ_TIMEOUT_S = 15.0
# As much as stays in a core's own cache between its arrival, its digest and its file.
CHUNK_BYTES = 256 * 1024
HEAD_BYTES = 8 * 1024
MOST_HOSTS, MOST_IDLE_A_HOST = 50, 100


class PrivateAddressError(OSError):
    """The URL leads to an address that is not public, and no trusted host."""


class Exchange(threading.local):
    """What the connections of this thread need to know about the exchange under way, and tell."""

    deadline: float = 0.0
    silence_s: float = READ_TIMEOUT_S
    """How long the other side may say nothing."""
    trusted: Collection[str] | None = None
    """Who may lie on a private address; None where the exchange is not guarded."""
    sent: bool = False
    """Set just before the first byte leaves: from then on it may have arrived."""
    refused: str = ""
    response: HTTPResponse
    """The last one that began."""

    def begin(self, deadline: float, silence_s: float, trusted: Collection[str] | None) -> None:
        """Forget the exchange before."""
        self.deadline, self.silence_s, self.trusted = deadline, silence_s, trusted
        self.sent, self.refused = False, ""

    @functools.cached_property
    def room(self) -> memoryview:
        """Where this thread receives bodies: new memory for each piece costs more than reading."""
        return memoryview(bytearray(CHUNK_BYTES))


exchange = Exchange()


class _DeadlineReader(io.RawIOBase):
    """The bytes of an answer; a server that drips them does not outlast the deadline."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw
        """Holds the socket open until it is closed."""
        self._timeout_s = sock.gettimeout() or 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = exchange.deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the deadline of the exchange has passed")
        # To set it is a call into the kernel, and what was set holds until less is left.
        if not self._timeout_s or self._timeout_s > left_s:
            self._timeout_s = min(left_s, exchange.silence_s)
            self._sock.settimeout(self._timeout_s)
        return self._sock.recv_into(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _PieceReader(io.BufferedReader):
    """Its `readinto` returns what is there: to wait for more could lose that to a break."""

    def readinto(self, buffer: Any) -> int:
        return self.readinto1(buffer)


class _DeadlineResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = _PieceReader(_DeadlineReader(sock, self.fp.detach()), HEAD_BYTES)
        exchange.response = self


class _Connection(HTTPConnection):
    response_class = _DeadlineResponse

    def _new_conn(self) -> socket.socket:
        if exchange.trusted is None or f"{self.host}:{self.port}" in exchange.trusted:
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


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Trusts whom `requests` trusts; read once a process, for that takes longer than a request."""
    context = create_urllib3_context()
    context.load_verify_locations(where())
    return context


class _SecureConnection(_Connection, HTTPSConnection):
    def connect(self) -> None:
        self.ssl_context = tls_context()
        super().connect()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Once(HTTPConnectionPool):
    """Connections are closed where a pool would keep them."""

    def _put_conn(self, conn: Any) -> None:
        if conn:
            conn.close()


class _PoolOnce(_Once, _Pool):
    pass


class _SecurePoolOnce(_Once, _SecurePool):
    pass


class Connections(PoolManager):
    """Connections of this module, kept for the next exchange of any thread, or used once.

    No .netrc or proxy of this machine is looked at: it could replace a key, or carry it elsewhere.
    """

    def __init__(self, *, kept: bool = True) -> None:
        super().__init__(MOST_HOSTS, maxsize=MOST_IDLE_A_HOST if kept else 1)
        self.pool_classes_by_scheme = (
            {"http": _Pool, "https": _SecurePool}
            if kept
            else {"http": _PoolOnce, "https": _SecurePoolOnce}
        )


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
