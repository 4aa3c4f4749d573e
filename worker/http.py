"""HTTP with a total deadline, and errors that say whether anything was sent."""

from __future__ import annotations

import io
import ipaddress
import socket
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0
MOST_REDIRECTS = 5
CHUNK_BYTES = 256 * 1024


class NotSentError(Exception):
    """Nothing of the request left this machine: it cannot have been paid."""


class NoAnswerError(Exception):
    """The request went out and no whole answer came back: what it did is not known."""


class PrivateAddressError(OSError):
    """The URL leads to an address that is not public, and no trusted host."""


class _Exchange(threading.local):
    """What the connections of this thread need to know about the exchange under way."""

    deadline: float = 0.0
    sent: bool = False
    guarded: bool = False
    trusted: Collection[str] = ()
    refused: str = ""


_exchange = _Exchange()


class _DeadlineReader(io.RawIOBase):
    """The bytes of an answer; a server that drips them does not outlast the deadline."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw: Any = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = _exchange.deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the deadline of the exchange has passed")
        self._sock.settimeout(min(left_s, READ_TIMEOUT_S))
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
        if _exchange.guarded and f"{self.host}:{self.port}" not in _exchange.trusted:
            address = sock.getpeername()[0]
            if not is_public(address):
                sock.close()
                _exchange.refused = address
                raise PrivateAddressError
        return sock

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        # A worker that was frozen until its deadline passed must not start to pay now.
        if not _exchange.sent and time.monotonic() > _exchange.deadline:
            raise TimeoutError("the deadline passed before anything was sent")
        _exchange.sent = True
        super().send(data)


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class Http:
    """HTTP for workers; `trusted` hosts (`host:port`) may lie on private addresses."""

    def __init__(self, trusted: Collection[str] = ()) -> None:
        self._trusted = frozenset(trusted)
        self._local = threading.local()

    @contextmanager
    def exchange(
        self,
        method: str,
        url: str,
        *,
        deadline: float,
        guarded: bool = False,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: object = None,
    ) -> Iterator[requests.Response]:
        """One request and its answer, to be read before `deadline` on the monotonic clock.

        A guarded exchange follows redirects, and raises PrivateAddressError at a step that leaves
        the public internet. Raises NotSentError or NoAnswerError otherwise, also while the body is
        read inside the `with`.
        """
        _exchange.deadline = deadline
        left_s = max(0.001, deadline - time.monotonic())
        _exchange.sent = False
        _exchange.guarded = guarded
        _exchange.trusted = self._trusted
        _exchange.refused = ""
        try:
            with self._session().request(
                method,
                url,
                headers=headers,
                params=params,
                json=json,
                timeout=(min(CONNECT_TIMEOUT_S, left_s), min(READ_TIMEOUT_S, left_s)),
                stream=True,
                allow_redirects=guarded,
            ) as response:
                yield response
        except (requests.RequestException, HTTPError, TimeoutError, PrivateAddressError) as error:
            if _exchange.refused:
                raise PrivateAddressError(f"{_exchange.refused} is a private address") from None
            kind = NoAnswerError if _exchange.sent else NotSentError
            raise kind(_describe(error)) from None

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            # A .netrc or a proxy of this machine must not replace a key or carry it elsewhere.
            session.trust_env = False
            session.max_redirects = MOST_REDIRECTS
            session.mount("http://", _Adapter(pool_maxsize=4))
            session.mount("https://", _Adapter(pool_maxsize=4))
        return session


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_global and not ip.is_multicast


def _describe(error: BaseException) -> str:
    """The innermost cause, by its kind: URLs and headers stay out of logs."""
    while True:
        inner = getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(inner, BaseException):
            break
        error = inner
    return getattr(error, "strerror", None) or type(error).__name__
