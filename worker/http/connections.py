"""Connections that keep a deadline and an address guard, and a place for those that are idle."""

from __future__ import annotations

import functools
import ipaddress
import math
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from http.client import HTTP_PORT, HTTPS_PORT
from typing import NamedTuple

from certifi import where
from urllib3.util.wait import wait_for_read

CONNECT_TIMEOUT_S = 5.0
# Of an image host; a provider may be silent until the deadline.
READ_TIMEOUT_S = 15.0
# As much as stays in a core's own cache between its arrival, its digest and its file.
CHUNK_BYTES = 256 * 1024
HEAD_BYTES = 8 * 1024
MAX_IDLE = 200


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


class Connection:
    """A connection to one server, over which one exchange goes after the other."""

    usual_port = HTTP_PORT

    def __init__(self, server: Server) -> None:
        self.server = server
        self._host = server.host.strip("[]")
        self._port = server.port or self.usual_port
        self._sock: socket.socket | None = None
        self._exchange: Exchange

    @property
    def host(self) -> str:
        """What a request's Host header says."""
        host, port = self.server.host, self._port
        return host if port == self.usual_port else f"{host}:{port}"

    def begin(self, exchange: Exchange) -> None:
        """Let what is sent and received next be of this exchange."""
        self._exchange = exchange
        if self._sock:
            _set_timeout(self._sock, exchange.silence_s())

    def send(self, data: bytes) -> None:
        """Send a request.

        Raises TimeoutError if it is too late for that, and PrivateAddressError where a guarded
        exchange would leave the public internet.
        """
        if self._sock is None:
            self._sock = self._connected()
        # A worker that was frozen until its deadline passed must not start to pay now.
        self._exchange.left_s()
        self._exchange.sent = True
        self._sock.sendall(data)

    def receive(self, room: memoryview) -> int:
        """Wait for some of the answer, up to the size of the room; returns how much, 0 at its end.

        A server that drips it does not outlast the deadline: raises TimeoutError.
        """
        sock = self._sock
        if sock is None:
            return 0
        left_s = self._exchange.left_s()
        # What was set holds until less is left.
        if (sock.gettimeout() or math.inf) > left_s:
            sock.settimeout(left_s)
        return sock.recv_into(room)

    def is_alive(self) -> bool:
        """Whether it still stands; between two exchanges it has nothing to say but that it ends."""
        if self._sock is None or wait_for_read(self._sock, timeout=0):
            return False
        # What was decrypted together with an answer, and not read, would be taken for the next.
        return not (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending())

    def close(self) -> None:
        """End it."""
        if self._sock:
            self._sock.close()
            self._sock = None

    def _connected(self) -> socket.socket:
        error: OSError | None = None
        for address in self._addresses():
            try:
                timeout_s = self._exchange.left_s(CONNECT_TIMEOUT_S)
                sock = socket.create_connection((address, self._port), timeout_s)
            except OSError as failure:
                error = failure
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _set_timeout(sock, self._exchange.silence_s())
                return sock
        raise error or OSError("the name leads to no address")

    def _addresses(self) -> Iterator[str]:
        """Where to try; those of a guarded exchange, once all of them are public."""
        trusted = self._exchange.trusted
        if trusted is None or f"{self._host}:{self._port}" in trusted:
            return iter([self._host])
        # The name is resolved once, here: what is connected to is what was checked, so a name that
        # leads elsewhere a moment later gains nothing.
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        addresses = [str(sockaddr[0]) for *_, sockaddr in found]
        for address in addresses:
            if not is_public(address):
                raise PrivateAddressError(f"{address} is a private address")
        return iter(addresses)


def _set_timeout(sock: socket.socket, timeout_s: float) -> None:
    # To set it is a call into the kernel.
    if sock.gettimeout() != timeout_s:
        sock.settimeout(timeout_s)


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Trusts whom `requests` trusts; read once a process, for that takes longer than a request."""
    return ssl.create_default_context(cafile=where())


class _SecureConnection(Connection):
    usual_port = HTTPS_PORT

    def _connected(self) -> socket.socket:
        sock, host = super()._connected(), self._host.rstrip(".")
        return tls_context().wrap_socket(sock, server_hostname=host)


def connection_to(server: Server) -> Connection:
    """A new connection, made with its first request."""
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
            if connection.is_alive():
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
            if len(self._connections) <= MAX_IDLE:
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
