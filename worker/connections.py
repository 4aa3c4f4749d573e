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
        sock = super()._new_conn()
        # Checked on the address that was connected to, so a name that resolves anew gains nothing.
        if exchange.guarded and f"{self.host}:{self.port}" not in exchange.trusted:
            address = sock.getpeername()[0]
            if not is_public(address):
                sock.close()
                exchange.refused = address
                raise PrivateAddressError
        return sock

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


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_global and not ip.is_multicast
