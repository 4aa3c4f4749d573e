"""Connections that keep a deadline and an address guard, and a place for those that are idle.

They are the standard library's: what urllib3 puts on top of them costs more than a request.
"""

from __future__ import annotations

import functools
import io
import ipaddress
import math
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from http.client import HTTPS_PORT, HTTPConnection, HTTPResponse
from typing import Any, NamedTuple

from certifi import where
from urllib3.util.wait import wait_for_read

from .slots import waiting

CONNECT_TIMEOUT_S = 5.0
# Of an image host; a provider may be silent until the deadline.
READ_TIMEOUT_S = 15.0
# As much as stays in a core's own cache between its arrival, its digest and its file.
CHUNK_BYTES = 256 * 1024
HEAD_BYTES = 8 * 1024
MOST_IDLE = 200


class PrivateAddressError(OSError):
    """The URL leads to an address that is not public, and no trusted host."""


class Server(NamedTuple):
    """Where a connection leads: `http` or `https`, a host, and a port unless it is the usual."""

    scheme: str
    host: str
    port: int | None


@dataclass
class Exchange:
    """What a connection needs to know about the exchange under way, and tells."""

    deadline: float
    """On the monotonic clock."""
    trusted: Collection[str] | None = None
    """Who may lie on a private address; None where the exchange is not guarded."""
    sent: bool = False
    """Set just before the first byte leaves: from then on it may have arrived."""

    def left_s(self, most_s: float | None = None) -> float:
        """How long to wait at most; raises TimeoutError once the deadline has passed."""
        left_s = self.deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the deadline of the exchange has passed")
        return left_s if most_s is None else min(left_s, most_s)

    def silence_s(self) -> float:
        """How long the other side may say nothing."""
        return self.left_s(None if self.trusted is None else READ_TIMEOUT_S)


class _DeadlineReader(io.RawIOBase):
    """The bytes of an answer; a server that drips them does not outlast the deadline."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, exchange: Exchange) -> None:
        self._sock = sock
        self._raw = raw
        """Holds the socket open until it is closed."""
        self._exchange = exchange

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self._exchange.left_s()
        # To set it is a call into the kernel, and what was set holds until less is left.
        if (self._sock.gettimeout() or math.inf) > left_s:
            self._sock.settimeout(left_s)
        with waiting():
            return self._sock.recv_into(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _PieceReader(io.BufferedReader):
    """Its `readinto` returns what is there: to wait for more could lose that to a break."""

    def readinto(self, buffer: Any) -> int:
        return self.readinto1(buffer)


class _DeadlineResponse(HTTPResponse):
    def __init__(self, exchange: Exchange, sock: socket.socket, **options: Any) -> None:
        super().__init__(sock, **options)
        self.fp = _PieceReader(_DeadlineReader(sock, self.fp.detach(), exchange), HEAD_BYTES)


class Connection(HTTPConnection):
    """A connection to one server, over which one exchange goes after the other."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.host.strip("[]"), server.port or self.default_port)
        self.server = server

    def begin(self, exchange: Exchange) -> None:
        """Let the next request and its answer be of this exchange."""
        self._exchange = exchange
        self.response_class = functools.partial(_DeadlineResponse, exchange)  # type: ignore[assignment]
        if self.sock:
            self._bound_silence()

    def connect(self) -> None:
        """Raises PrivateAddressError where a guarded exchange would leave the public internet."""
        with waiting():
            self._connect()

    def _connect(self) -> None:
        error: OSError | None = None
        for address in self._addresses():
            try:
                timeout_s = self._exchange.left_s(CONNECT_TIMEOUT_S)
                self.sock = socket.create_connection((address, self.port), timeout_s)
            except OSError as failure:
                error = failure
            else:
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._bound_silence()
                return
        raise error or OSError("the name leads to no address")

    def _addresses(self) -> Iterator[str]:
        """Where to try; those of a guarded exchange, once all of them are public."""
        trusted = self._exchange.trusted
        if trusted is None or f"{self.host}:{self.port}" in trusted:
            return iter([self.host])
        # The name is resolved once, here: what is connected to is what was checked, so a name that
        # leads elsewhere a moment later gains nothing.
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = [str(sockaddr[0]) for *_, sockaddr in found]
        for address in addresses:
            if not is_public(address):
                raise PrivateAddressError(f"{address} is a private address")
        return iter(addresses)

    def _bound_silence(self) -> None:
        silence_s = self._exchange.silence_s()
        # To set it is a call into the kernel.
        if self.sock.gettimeout() != silence_s:
            self.sock.settimeout(silence_s)

    def send(self, data: Any) -> None:
        """Send bytes of a request; raises TimeoutError before the first if it is too late."""
        if self.sock is None:
            self.connect()
        # A worker that was frozen until its deadline passed must not start to pay now.
        if not self._exchange.sent:
            self._exchange.left_s()
        self._exchange.sent = True
        super().send(data)


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Trusts whom `requests` trusts; read once a process, for that takes longer than a request."""
    return ssl.create_default_context(cafile=where())


class _SecureConnection(Connection):
    default_port = HTTPS_PORT

    def _connect(self) -> None:
        super()._connect()
        self.sock = tls_context().wrap_socket(self.sock, server_hostname=self.host.rstrip("."))


def connection_to(server: Server) -> Connection:
    """A new connection, made with its first request; raises HTTPException for no port."""
    return (_SecureConnection if server.scheme == "https" else Connection)(server)


class Idle:
    """Connections between two exchanges, of any thread."""

    def __init__(self) -> None:
        self._connections: list[Connection] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._connections)

    def take(self, server: Server) -> Connection | None:
        """A connection to the server that still stands, if there is one."""
        while connection := self._newest(server):
            # It has nothing to say now but that it was closed.
            if not wait_for_read(connection.sock, timeout=0):
                return connection
            connection.close()
        return None

    def _newest(self, server: Server) -> Connection | None:
        with self._lock:
            for at in reversed(range(len(self._connections))):
                if self._connections[at].server == server:
                    return self._connections.pop(at)
        return None

    def keep(self, connection: Connection) -> None:
        """Keep a connection for its next exchange; the oldest makes room."""
        with self._lock:
            self._connections.append(connection)
            if len(self._connections) <= MOST_IDLE:
                return
            connection = self._connections.pop(0)
        connection.close()


def _close_all(connections: list[Connection]) -> None:
    for connection in connections:
        connection.close()


class _Own(threading.local):
    @functools.cached_property
    def room(self) -> memoryview:
        """Where this thread receives bodies: new memory for each piece costs more than reading."""
        return memoryview(bytearray(CHUNK_BYTES))


own = _Own()


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
